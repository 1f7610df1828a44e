"""Programs that measure: how long the work takes, and how that grows."""
