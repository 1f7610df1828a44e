"""Jenkins controllers, over their REST API."""
