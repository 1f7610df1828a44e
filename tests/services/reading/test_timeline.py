"""What happened to a tag is told in one order of time, from build to cluster."""

from dataclasses import replace

import pytest

from app.core.errors import Invalid, NotFound
from app.core.flux.objects import PolicyName
from app.core.images import ImageName
from app.core.ports import PullRequestState
from app.core.promotion.holds import Hold, HoldKind
from app.db import holds, pull_requests
from app.db.database import Database
from app.services.reading.timeline import Timeline, timeline_of_policy, timeline_of_tag
from app.services.systems import Systems
from tests.db.facts import record_listing, record_push
from tests.services.history import IMAGE, LANE, MINUTE, NOW, POLICY, write_history

CI = "https://ci.acme.example"
SYSTEMS = Systems(jenkins_urls={"main": CI}, aliases={"mirror.acme.example": "registry.acme.example"})
WEB = PolicyName("", "flux-system", "web")


@pytest.fixture
def written(database: Database) -> Database:
    """1.1.0 is in production, built by #7, merged by mia, applied; 1.2.0 waits."""
    with database.transaction() as connection:
        write_history(connection)
    return database


def of_tag(database: Database, text: str) -> Timeline:
    with database.transaction() as connection:
        return timeline_of_tag(connection, SYSTEMS, text, now=NOW)


def test_a_tag_is_told_from_build_to_cluster(written: Database) -> None:
    found = of_tag(written, f"{IMAGE}:1.1.0")
    assert (found.image, found.tag) == (str(IMAGE), "1.1.0")
    assert [(one.what, one.who) for one in found.happenings] == [
        ("build", "ci"),
        ("seen", "registry"),
        ("chosen", "fluxbridge"),
        ("merged", "mia"),
        ("failed", "flux-system/apps"),
        ("applied", "flux-system/apps"),
    ]
    assert [one.at for one in found.happenings] == sorted(one.at for one in found.happenings)
    build, _, chosen, _, failed, _ = found.happenings
    assert build.link == f"{CI}/job/acme/job/shop/job/main/7/"
    assert "build acme/shop/main #7 SUCCESS named 1.1.0" in build.words
    assert "Jenkins main; by webhook, delivery d2" in build.words
    assert chosen.words == "instead of 1.0.0: build acme/shop/main #7 ended SUCCESS"
    assert (chosen.repo, chosen.stage, chosen.policy) == ("fleet", "production", POLICY)
    assert failed.cluster == "prod-eu"
    assert failed.words.startswith("main@sha1:")


def test_an_alias_of_the_registry_means_the_same(written: Database) -> None:
    assert of_tag(written, "mirror.acme.example/shop/web:1.1.0") == of_tag(written, f"{IMAGE}:1.1.0")


def test_a_build_of_another_address_than_its_controllers_is_not_linked(written: Database) -> None:
    with written.transaction() as connection:
        systems = Systems(jenkins_urls={"main": "https://other.example"})
        found = timeline_of_tag(connection, systems, f"{IMAGE}:1.1.0", now=NOW)
    assert found.happenings[0].link is None


def test_a_tag_that_only_a_list_told_of_was_seen_by_the_sweep(written: Database) -> None:
    with written.transaction() as connection:
        record_listing(connection, IMAGE, ["0.9.0"], NOW)
    assert [(one.what, one.who) for one in of_tag(written, f"{IMAGE}:0.9.0").happenings] == [("seen", "fluxbridge")]


def test_holds_and_their_end_are_told_and_so_is_what_we_closed(written: Database) -> None:
    hold = Hold(
        id="h1",
        stage="production",
        policy=POLICY,
        tags=("1.1.0",),
        kind=HoldKind.CLOSED,
        who="mia",
        why="pull request 4 was closed",
        since=NOW + 2 * MINUTE,
    )
    with written.transaction() as connection:
        holds.add(connection, LANE, hold, pull_request=4)
        holds.lift_of_pull_request(connection, LANE, 4, at=NOW + 4 * MINUTE)
        [row] = pull_requests.numbered(connection, LANE, [4])
        closed = replace(row, state=PullRequestState.CLOSED, ended_at=NOW + 5 * MINUTE, ended_by="fluxbridge")
        pull_requests.upsert(connection, closed)
    told = [(one.what, one.who) for one in of_tag(written, f"{IMAGE}:1.1.0").happenings]
    assert [one for one in told if one[0] in {"held", "hold ended", "closed"}] == [
        ("held", "mia"),
        ("hold ended", "fluxbridge"),
        ("closed", "fluxbridge"),
    ]


def test_a_policy_is_told_by_the_tags_that_it_moved_to_last(written: Database) -> None:
    with written.transaction() as connection:
        found = timeline_of_policy(connection, SYSTEMS, policy=WEB, repo="fleet", limit=20, now=NOW)
        last = timeline_of_policy(connection, SYSTEMS, policy=WEB, repo=None, limit=1, now=NOW)
    assert (found.image, found.tag) == (None, None)
    assert [one.tag for one in found.happenings] == ["1.1.0"] * 6 + ["1.2.0"]
    assert [(one.tag, one.what) for one in last.happenings] == [("1.2.0", "chosen")]


def test_a_policy_that_never_moved_has_no_history_and_one_that_is_none_is_not_found(written: Database) -> None:
    dev, none = PolicyName("clusters/dev", "flux-system", "web"), PolicyName("", "flux-system", "wep")
    with written.transaction() as connection:
        assert timeline_of_policy(connection, SYSTEMS, policy=dev, repo=None, limit=20, now=NOW).happenings == []
    with written.transaction() as connection, pytest.raises(NotFound):
        timeline_of_policy(connection, SYSTEMS, policy=none, repo=None, limit=20, now=NOW)


def test_of_an_unknown_tag_there_is_nothing_and_what_names_none_is_refused(written: Database) -> None:
    assert of_tag(written, f"{IMAGE}:9.9.9").happenings == []
    with pytest.raises(Invalid):
        of_tag(written, str(IMAGE))


def test_a_tag_of_another_image_that_the_policy_had_is_not_of_this_one(written: Database) -> None:
    other = ImageName.parse("registry.acme.example/shop/other")
    with written.transaction() as connection:
        record_push(connection, other, "1.1.0", None, at=NOW, now=NOW, source="registry", delivery_id="d9")
    assert [one.what for one in of_tag(written, f"{other}:1.1.0").happenings] == ["seen"]
