"""What hosts the config repository and its pull requests, one forge a file."""
