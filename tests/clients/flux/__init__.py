"""Flux's Receivers and kubectl."""
