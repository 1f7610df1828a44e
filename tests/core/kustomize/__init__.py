"""Kustomizations as the cluster gets them."""
