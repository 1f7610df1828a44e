"""What trials with real systems found, each as a user would say it, and what could go wrong beside it."""
