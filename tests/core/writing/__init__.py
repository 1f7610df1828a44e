"""What we write for people."""
