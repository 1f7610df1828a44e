"""Git, against real repositories."""
