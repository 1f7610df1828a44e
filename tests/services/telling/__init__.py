"""What others are told."""
