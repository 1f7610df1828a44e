"""Fluxbridge joins Jenkins to Flux: builds and pushes become pull requests on the config repository."""
