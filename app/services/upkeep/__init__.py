"""What keeps an installation sound over the years."""
