"""Trial A5: an answer of a registry is owed, and keeps nothing else waiting."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.errors import Refused, Unavailable
from app.core.facts import BuildResult
from app.db import listing_wishes, owed_answers
from app.db.deliveries import DeliveryState
from app.services.reading.builds import build as build_details
from app.services.reading.status import read_status
from app.services.sweeps.watch import Watch
from tests.db.facts import owe
from tests.services.intake.webhooks import (
    MAIN,
    Site,
    build_report,
    digest_of,
    envelope,
    push_event,
)
from tests.services.lanes import IMAGE, Lane
from tests.services.sweeps.sweeping import BuiltJenkins, built, sweep
from tests.trials.crews import GATED, Open
from tests.trials.scripted_registries import Scripted, owed, sweeper_of

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
TAG = "1.1.0"


def two_images(site: Site) -> bytes:
    named = [
        {"repository": f"{site.registry.host}/team/{name}", "tag": TAG, "digest": digest_of(TAG)}
        for name in ("app", "private")
    ]
    return build_report(site.image, TAG, digest_of(TAG), number=5, images=named)


def ask_in_vain(lane: Lane) -> None:
    """The registry is to be asked about 1.1.0, and refuses."""
    with lane.database.transaction() as connection:
        asked = owe(connection, IMAGE, "1.1.0", is_deletion=False, source="ci", delivery_id=None, now=lane.now)
        owed_answers.put_off(connection, asked, due_at=lane.now + MINUTE, error="it answered 403")


@pytest.mark.parametrize("error", [Refused("it answered 403 for team/private"), Unavailable("it answered 500")])
def test_a_build_counts_at_once_although_one_of_its_images_cannot_be_read(site: Site, error: Exception) -> None:
    answers: dict[tuple[str, str], str | Exception | None] = {
        ("team/app", TAG): digest_of(TAG),
        ("team/private", TAG): error,
    }
    site.swap_registry(Scripted(digests=answers))
    ended = site.send("ci", two_images(site))
    assert ended.state is DeliveryState.DONE
    assert [one.number for one in site.builds()] == [5]
    known = site.tag(TAG)
    assert known is not None
    assert known.presence.is_shown
    assert [str(one) for one in owed(site.database)] == [f"{site.registry.host}/team/private:{TAG}"]


def test_what_is_owed_is_told_by_status_and_by_the_build(site: Site) -> None:
    refusal = Refused("it answered 403 for team/private")
    site.swap_registry(Scripted(digests={("team/app", TAG): digest_of(TAG), ("team/private", TAG): refusal}))
    site.send("ci", two_images(site))
    site.now += MINUTE
    status = read_status(site.database, lambda: site.now)
    assert (status.owed_answers, status.oldest_owed_answer_s) == (1, 60)
    assert status.owed_errors[0].error == "it answered 403 for team/private"
    [report] = site.builds()
    with site.database.transaction() as connection:
        artifacts = build_details(connection, report.id).artifacts
    told = {one.image.rpartition("/")[2]: one.owed for one in artifacts}
    assert told["app"] is None
    assert told["private"] is not None
    assert "403" in told["private"]


def test_what_is_owed_is_asked_again_until_it_is_answered_and_then_the_lane_is_due(site: Site) -> None:
    registry = Scripted(digests={("team/app", TAG): Unavailable("down")})
    site.swap_registry(registry)
    site.send("registry", envelope(push_event(TAG, digest_of(TAG))))
    waits = []
    for _ in range(12):
        [one] = owed(site.database)
        waits.append(one.due_at - site.now)
        site.now = one.due_at - SECOND / 1000
        assert sweeper_of(site).ask_owed() == 0
        site.now = one.due_at
        assert sweeper_of(site).ask_owed() == 1
    assert SECOND <= waits[0] <= 2 * SECOND
    assert max(waits) <= 5 * MINUTE
    registry.digests["team/app", TAG] = digest_of(TAG)
    before, site.now = site.wanted()[MAIN], site.now + timedelta(hours=1)
    sweeper_of(site).ask_owed()
    assert owed(site.database) == []
    assert site.wanted()[MAIN] == before + 1


def test_who_asks_to_come_back_later_is_asked_no_sooner(site: Site) -> None:
    busy = Unavailable("too many requests", retry_after=20 * MINUTE)
    site.swap_registry(Scripted(digests={("team/app", TAG): busy}))
    site.send("registry", envelope(push_event(TAG, None)))
    [one] = owed(site.database)
    assert one.due_at - site.now == 20 * MINUTE


def owe_all(site: Site, tags: Iterable[str]) -> None:
    """The registry is to be asked about these tags at once."""
    with site.database.transaction() as connection:
        for tag in tags:
            owe(connection, site.image, tag, is_deletion=False, source="ci", delivery_id=None, now=site.now)


def rest_of(watch: Watch, site: Site) -> timedelta:
    """How long the registry is left alone, to the second."""
    began = site.now
    with site.database.transaction() as connection:
        listing_wishes.want_listing(connection, site.image, began)
    while not watch.list_wanted():
        site.now += SECOND
    return site.now - began


def test_who_asks_to_come_back_later_for_many_tags_has_said_so_once(site: Site) -> None:
    tags = [f"1.{number}.0" for number in range(10)]
    site.swap_registry(
        Scripted(digests={(site.image.path, tag): Unavailable("busy", retry_after=SECOND) for tag in tags})
    )
    owe_all(site, tags)
    watch = sweeper_of(site)
    assert watch.ask_owed() == len(tags)
    assert rest_of(watch, site) == 2 * SECOND


def test_who_answered_since_is_left_alone_no_longer_than_at_first(site: Site) -> None:
    registry = Scripted()
    site.swap_registry(registry)
    watch, busy = sweeper_of(site), Unavailable("busy", retry_after=SECOND)
    for answer in (busy, busy, digest_of(TAG), busy):
        registry.digests[site.image.path, TAG] = answer
        site.now += timedelta(hours=1)
        owe_all(site, [TAG])
        assert watch.ask_owed() == 1
    assert rest_of(watch, site) == 2 * SECOND


def test_a_worker_that_dies_after_the_facts_leaves_what_is_owed_to_others(site: Site) -> None:
    class Killed(BaseException):
        pass

    def die(_: str) -> None:
        raise Killed

    site.put_image(TAG)
    real = site.systems.registries[site.registry.host]
    site.swap_registry(Scripted(during=die))
    site.keep("registry", envelope(push_event(TAG, digest_of(TAG))))
    with pytest.raises(Killed):
        site.interpret()
    site.swap_registry(real)
    site.now += MINUTE
    assert sweeper_of(site).ask_owed() == 1
    known = site.tag(TAG)
    assert known is not None
    assert known.presence.is_shown
    assert site.wanted()[MAIN] == 1


def test_the_sweep_of_builds_records_what_jenkins_has_while_a_registry_is_down(site: Site) -> None:
    jenkins = BuiltJenkins()
    jenkins.jobs = {"team/app/main": {}}
    for number in (1, 2):
        jenkins.put("team/app/main", number, built(number, image=str(site.image), tag=f"1.{number}.0"))
    site.systems = replace(site.systems, jenkins={"main": jenkins})
    site.swap_registry(Scripted(digests={("team/app", "1.1.0"): Unavailable("down"), ("team/app", "1.2.0"): None}))
    look = sweep(site, "builds", jobs={"main": ("team/*",)})
    assert look.failures == []
    assert {one.number for one in site.builds()} == {1, 2}
    assert [one.reference for one in owed(site.database)] == ["1.1.0"]


def test_what_a_signed_report_takes_back_makes_the_lane_due_although_the_registry_stays_away(site: Site) -> None:
    site.swap_registry(Scripted(digests={("team/app", TAG): Refused("it answered 403")}))
    site.send("ci", build_report(site.image, TAG, digest_of(TAG), number=5))
    before = site.wanted()[MAIN]
    site.send("ci", build_report(site.image, TAG, digest_of(TAG), number=6, result="FAILURE"))
    assert site.wanted()[MAIN] == before + 1


def test_an_open_proposal_is_closed_by_its_builds_failure_while_the_registry_owes_its_word(crew: Open) -> None:
    here = crew(GATED)
    here.lane.push("1.1.0")
    here.build("1.1.0")
    here.run()
    assert [one.title for one in here.open_ones()] == ["Promote app 1.0.0 to 1.1.0 in production"]
    here.build("1.1.0", BuildResult.FAILURE, number=2)
    ask_in_vain(here.lane)
    here.run()
    assert here.open_ones() == []
