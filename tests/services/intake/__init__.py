"""From webhooks to facts."""
