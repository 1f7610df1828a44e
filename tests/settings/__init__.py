"""What the settings file may say, and how mistakes in it are told."""
