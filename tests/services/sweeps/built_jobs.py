"""A Jenkins whose builds a sweep finds, and what is known of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from app.db import builds
from tests.services.intake.webhooks import ALIAS, Site
from tests.services.sweeps.sweeping import BuiltJenkins, built, sweep

JOB = "team/app/main"
PATTERNS = {"main": ("team/*",)}


def a_jenkins(site: Site) -> BuiltJenkins:
    """A Jenkins with one job that has built once; the registry has that build's image, and one that is not told of."""
    jenkins = BuiltJenkins()
    site.systems = replace(site.systems, jenkins={"main": jenkins})
    site.put_image("1.0.0")
    site.put_image("1.1.0")
    jenkins.put(JOB, 1, build(1, "1.0.0"))
    return jenkins


def build(number: int, tag: str = "", *, job: str = JOB, **changes: Any) -> Any:
    """A build that names its image as senders do, by the registry's alias."""
    return built(number, job=job, image=f"{ALIAS}/team/app" if tag else "", tag=tag, **changes)


def look(site: Site, **options: Any) -> Any:
    return sweep(site, "builds", **{"jobs": PATTERNS, **options})


def known(site: Site) -> Sequence[tuple[str, int, str]]:
    told = builds.builds.c
    with site.database.transaction() as connection:
        return sorted(tuple(row) for row in connection.execute(select(told.job, told.number, told.result)))
