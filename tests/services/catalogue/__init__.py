"""What is known of tags."""
