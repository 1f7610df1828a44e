"""What others are told after a commit."""
