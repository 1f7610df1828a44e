"""Why a policy chooses what it chooses, and what Flux is silent about."""
