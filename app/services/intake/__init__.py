"""From a webhook to facts in the database."""
