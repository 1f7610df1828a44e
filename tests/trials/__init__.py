"""Trials: what the outside world did to it, each made a test."""
