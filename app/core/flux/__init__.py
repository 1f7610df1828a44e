"""Flux's objects and markers as read from YAML, and which Kustomization reaches which file."""
