"""Sweeps: what each of them looks for that no webhook brought, one a file."""

from collections.abc import Callable, Mapping

from app.services.sweeps.bodies import drop_bodies
from app.services.sweeps.builds import sweep_builds
from app.services.sweeps.mirrors import pack_mirrors
from app.services.sweeps.pull_requests import sweep_pull_requests
from app.services.sweeps.sweep_run import SweepRun
from app.services.sweeps.tags import sweep_tags

SWEEPS: Mapping[str, Callable[[SweepRun], None]] = {
    "tags": sweep_tags,
    "builds": sweep_builds,
    "pull_requests": sweep_pull_requests,
    "bodies": drop_bodies,
    "mirrors": pack_mirrors,
}

OF_EACH_PROCESS = frozenset({"mirrors"})
"""The sweeps over what each process has of its own: each of them runs these by itself."""
