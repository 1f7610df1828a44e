"""What Jenkins tells of its builds, one way a file."""
