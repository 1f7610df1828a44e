"""Flux's objects and who reaches what."""
