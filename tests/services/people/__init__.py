"""What people ask for and hold: written down, then the lane is due."""
