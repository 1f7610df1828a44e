"""A first `.fluxbridge.yaml` for a config repository, made of what its files tell."""
