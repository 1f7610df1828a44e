"""Flux's decisions."""
