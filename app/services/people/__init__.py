"""What people decide and ask for: written down, then work is due."""
