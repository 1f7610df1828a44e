"""What kustomize makes of a folder, for the objects that are followed into clusters."""
