"""Which tag an image policy chooses, exactly as Flux decides it."""
