"""What a registry is shown, one kind a file, and how it is kept until it expires."""
