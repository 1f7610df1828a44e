"""One run of a lane: from the whole present state to the pull requests that should exist."""
