"""However long the history gets, deliveries and lane runs find what they need by an index.

What the database does for each kind of delivery and for the life of a pull request is captured as it runs.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.clients.forges.local.forge import LocalForge
from app.db.database import Database
from tests.plans import watching
from tests.services.intake.webhooks import (
    Site,
    branch_event,
    build_report,
    delete_event,
    digest_of,
    envelope,
    flux_event,
    github,
    pull_request_event,
    push_event,
)
from tests.services.lane.test_latency import FILES
from tests.services.lanes import Lane

pytestmark = pytest.mark.new_database

TAG = "1.1.0"
SENT: dict[str, Callable[[Site], object]] = {
    "push": lambda site: site.send("registry", envelope(push_event(TAG, digest_of(TAG)))),
    "delete": lambda site: site.send("registry", envelope(delete_event(digest=digest_of(TAG)))),
    "delete all": lambda site: site.send("registry", envelope(delete_event())),
    "build": lambda site: site.send("ci", build_report(site.image, TAG, digest_of(TAG))),
    "branch": lambda site: site.send("github", branch_event("main"), github("push")),
    "pull request": lambda site: site.send("github", pull_request_event("main"), github("pull_request")),
    "revision": lambda site: site.send("prod-eu", flux_event()),
}


@pytest.mark.parametrize("kind", SENT)
def test_a_delivery_goes_through_no_table_that_grows(site: Site, kind: str) -> None:
    site.put_image(TAG)
    with watching(site.database) as statements:
        SENT[kind](site)
    assert len(statements.seen) > 5
    assert statements.passes() == {}


def test_lane_runs_go_through_no_table_that_grows(database: Database, tmp_path: Path) -> None:
    lane = Lane.create(tmp_path, database, FILES)
    assert isinstance(lane.forge, LocalForge)
    with watching(database) as statements:
        lane.run()
        for tag, end in (("1.1.0", lane.forge.merge), ("1.2.0", lane.forge.close)):
            lane.push(tag)
            lane.run()
            [pull] = lane.open_pulls()
            end(pull.number, by="mia")
            lane.run()
        lane.config.commit("main", {"apps/app.yaml": FILES["apps/app.yaml"]}, message="Back")
        lane.run()
    assert len(statements.seen) > 30
    assert statements.passes() == {}
