"""Why something is not told any more."""

from app.services.systems import ConfigRepo, Systems


class Unwanted(Exception):
    """The settings have changed since it was to be told: nobody wants to hear it from us now."""


def still_told(systems: Systems, name: str) -> ConfigRepo:
    """The config repository of which something is to be told. Raises Unwanted."""
    repo = systems.config_repos.get(name)
    if repo is None:
        raise Unwanted(f"config repository {name} is no longer configured")
    if repo.is_observing:
        raise Unwanted(f"config repository {name} is only observed now")
    return repo
