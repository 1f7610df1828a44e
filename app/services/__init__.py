"""What Fluxbridge does, one verb a file, over ports and the database."""
