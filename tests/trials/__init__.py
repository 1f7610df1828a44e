"""Trials: what the outside world did to it, each as what a user expects instead."""
