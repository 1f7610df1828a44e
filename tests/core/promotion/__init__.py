"""What may enter which stage."""
