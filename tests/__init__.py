"""Tests of Fluxbridge; they mirror `app` and start every server that they need."""
