"""Which tag may enter which stage, and which pull requests should exist because of it."""
