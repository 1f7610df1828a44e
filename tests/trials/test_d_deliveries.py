"""A source speaks for what it may, and what was kept is read as what it was when it came."""

import pytest

from app.db.deliveries import DeliveryState
from app.services.people.replay import replay
from tests.services.intake.webhooks import (
    MAIN,
    NEXT,
    OTHER,
    Site,
    branch_event,
    build_report,
    github,
    pull_request_event,
)


# D5
@pytest.mark.parametrize("event", ["push", "pull_request"])
@pytest.mark.parametrize("repository", ["acme/other", "ACME/Other"])
def test_a_source_of_one_config_repository_says_nothing_of_another(site: Site, event: str, repository: str) -> None:
    site.change_source("github", config_repo="fleet")
    body = {
        "push": branch_event("main", repository=repository),
        "pull_request": pull_request_event("main", repository=repository),
    }[event]
    ended = site.send("github", body, github(event))
    assert site.wanted() == {MAIN: 0, NEXT: 0, OTHER: 0}
    assert f"ignored: source github may not speak for repository {repository}" in (ended.outcome or "")


def test_a_source_of_one_config_repository_speaks_for_it_in_any_letters(site: Site) -> None:
    site.change_source("github", config_repo="fleet")
    site.send("github", branch_event("main", repository="Acme/FLEET"), github("push"))
    assert site.wanted() == {MAIN: 1, NEXT: 0, OTHER: 0}


def test_an_event_of_a_repository_that_is_none_of_ours_says_so(site: Site) -> None:
    ended = site.send("github", branch_event("main", repository="acme/fleet-renamed"), github("push"))
    assert "ignored: no config repository is acme/fleet-renamed" in (ended.outcome or "")


def test_one_of_ours_that_got_another_base_makes_its_own_lane_due(site: Site) -> None:
    site.send("github", pull_request_event("feature/x"), github("pull_request"))
    assert site.wanted() == {MAIN: 1, NEXT: 0, OTHER: 0}


# D7
def test_a_delivery_is_read_by_the_kind_that_it_was_kept_with(site: Site) -> None:
    digest = site.put_image("1.1.0")
    kept = site.keep("ci", build_report(site.image, "1.1.0", digest))
    was = site.systems.sources["ci"].kind
    site.change_source("ci", kind="distribution")
    ended = site.interpret()
    assert (ended.id, ended.state, site.builds()) == (kept, DeliveryState.UNUSABLE, [])
    assert "is of kind distribution now; this was kept as one of kind jenkins" in (ended.outcome or "")
    site.change_source("ci", kind=was)
    with site.database.transaction() as connection:
        replay(connection, kept, site.now)
    assert (site.interpret().state, len(site.builds())) == (DeliveryState.DONE, 1)
