"""What Fluxbridge asks of other systems: Jenkins, registries, git and forges."""
