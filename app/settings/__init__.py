"""Reads fluxbridge.yaml and the environment into values; nothing else in the program does."""
