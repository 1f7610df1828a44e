"""OCI registries, by the distribution specification."""
