"""What a tag must pass to enter a stage: one gate a file, each under its key in the table."""
