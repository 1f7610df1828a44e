"""Signed reports of builds, and what the gates make of them."""

from datetime import timedelta
from typing import Any

from app.core.facts import BuildResult
from app.core.promotion.gates.answers import GateAnswer
from app.core.promotion.gates.build import BuildGate
from app.core.promotion.gates.evidence import Evidence
from app.db.builds import BuildRow
from app.services.catalogue.tag_states import states_of_tags
from tests.services.intake.webhooks import Site, build_report

FIRST, SECOND = "1" * 40, "2" * 40
NINE, ELEVEN = "2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z"


def report(site: Site, tag: str, digest: str | None = None, **changes: Any) -> bytes:
    """A signed report of a build of the app that names one tag."""
    return build_report(site.image, tag, digest, **changes)


def gate(site: Site, tag: str) -> GateAnswer:
    """What `build: success` says of a tag of the app now."""
    with site.database.transaction() as connection:
        state = states_of_tags(connection, site.image, [tag])[tag]
    return BuildGate().ask(Evidence(tag=state, build_within=timedelta(hours=1)), site.now)


def told(row: BuildRow) -> tuple[int, int, int, BuildResult, str | None]:
    """What tells a build from others, and how it ended."""
    return row.number, row.run, row.life, row.result, row.commit


def known(site: Site) -> list[tuple[int, int, int, BuildResult, str | None]]:
    """Every build, by number and run."""
    return sorted(map(told, site.builds()), key=lambda one: one[:2])
