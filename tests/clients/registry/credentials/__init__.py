"""Where what a registry is shown comes from."""
