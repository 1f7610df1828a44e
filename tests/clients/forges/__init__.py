"""Forges, each by the same contract."""
