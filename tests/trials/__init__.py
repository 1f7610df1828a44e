"""What the outside world did to it: cases rebuilt from what people report of systems of this kind."""
