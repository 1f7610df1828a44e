"""The sample config repo, registry and script of events behind `fluxbridge demo`."""
