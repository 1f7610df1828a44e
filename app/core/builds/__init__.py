"""Builds: what makes two reports one build, which of two counts, and whether it was of a change request."""
