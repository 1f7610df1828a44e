"""Each cluster's objects hold the revision that Flux told last, and applications are the lines of its history."""

from dataclasses import replace
from functools import partial

import pytest

from app.core.facts import RevisionApplied, RevisionUnderway
from app.db import applications, measures, promotions, revisions
from app.db.applications import NewApplication
from app.db.cluster_states import Place
from app.db.database import Database
from app.db.revisions import RevisionRow
from tests.db.facts import MINUTE, NOW, SECOND
from tests.db.test_promotions import NEW
from tests.db.threads import at_once

SHA, OTHER_SHA = "a" * 40, "b" * 40
APPLIED = RevisionApplied(
    cluster="prod-eu",
    kind="Kustomization",
    namespace="flux-system",
    name="apps",
    revision=f"main@sha1:{SHA}",
    commit=SHA,
    is_failure=False,
    reason="ReconciliationSucceeded",
    message="Applied",
    at=NOW,
)
NEWER = replace(APPLIED, revision=f"main@sha1:{OTHER_SHA}", commit=OTHER_SHA, at=NOW + MINUTE)


def test_a_repeated_event_changes_nothing(database: Database) -> None:
    assert _note(database, APPLIED)
    assert not _note(database, APPLIED)
    assert not _note(database, replace(APPLIED, at=NOW + SECOND))


def test_the_same_event_at_once_is_one(database: Database) -> None:
    assert at_once(*[lambda: _note(database, APPLIED)] * 6).count(True) == 1


@pytest.mark.parametrize(
    ("second", "is_news"),
    [
        pytest.param(NEWER, True, id="newer"),
        pytest.param(replace(NEWER, at=NOW - SECOND), False, id="older"),
        pytest.param(replace(NEWER, at=NOW), True, id="same time, received later"),
        pytest.param(replace(APPLIED, is_failure=True, at=NOW + SECOND), True, id="it fails now"),
    ],
)
def test_the_event_with_the_latest_flux_time_counts(
    database: Database, second: RevisionApplied, *, is_news: bool
) -> None:
    _note(database, APPLIED)
    _examine_all(database)
    assert _note(database, second) is is_news
    expected = second if is_news else APPLIED
    with database.transaction() as connection:
        [row] = revisions.of_cluster(connection, APPLIED.cluster)
    assert (row.revision, row.is_failure, row.at, row.is_examined) == (
        expected.revision,
        expected.is_failure,
        expected.at,
        not is_news,
    )


def test_a_return_to_an_earlier_revision_is_a_change(database: Database) -> None:
    _note(database, APPLIED)
    _note(database, NEWER)
    assert _note(database, replace(APPLIED, at=NOW + 2 * MINUTE))


def test_what_came_while_it_was_examined_is_examined_too(database: Database) -> None:
    _note(database, APPLIED)
    [seen] = _unexamined(database)
    _note(database, NEWER)
    with database.transaction() as connection:
        revisions.note_use(connection, seen, is_examined=True, unused=None)
    assert [row.revision for row in _unexamined(database)] == [NEWER.revision]


def test_a_failure_that_came_while_its_success_was_examined_is_examined_too(database: Database) -> None:
    _note(database, APPLIED)
    [seen] = _unexamined(database)
    _note(database, replace(APPLIED, is_failure=True, at=NOW + SECOND))
    with database.transaction() as connection:
        revisions.note_use(connection, seen, is_examined=True, unused=None)
    assert [row.is_failure for row in _unexamined(database)] == [True]


def test_an_application_is_a_line_of_history_once(database: Database) -> None:
    with database.transaction() as connection:
        promotion = promotions.begin(connection, NEW, who="fluxbridge", at=NOW)
    line = NewApplication(
        place=Place(NEW.lane, NEW.stage, NEW.policy, "prod-eu", "flux-system/apps"),
        promotion_id=promotion.id,
        state="failed",
        revision=APPLIED.revision,
        commit=SHA,
        message="health check failed \0",
        at=NOW,
    )
    applied = replace(line, state="applied")
    with database.transaction() as connection:
        told = [applications.record(connection, one, recorded_at=NOW) for one in (line, line, applied, applied)]
        states = [row.state for row in applications.of_promotion(connection, promotion.id)]
        page = applications.page(connection, limit=1)
        rest = applications.page(connection, limit=1, after=page.next)
        elsewhere = applications.page(connection, limit=9, cluster="prod-us").items
    assert told == [True, False, True, False]
    assert states == ["failed", "applied"]
    assert [row.state for row in [*page.items, *rest.items]] == ["applied", "failed"]
    assert elsewhere == []


def _note(database: Database, applied: RevisionApplied) -> bool:
    with database.transaction() as connection:
        return revisions.note(connection, applied, repo="fleet", root="clusters/prod-eu", received_at=NOW + 10 * MINUTE)


def _unexamined(database: Database) -> list[RevisionRow]:
    with database.transaction() as connection:
        return list(revisions.unexamined(connection, "fleet"))


def _examine_all(database: Database) -> None:
    rows = _unexamined(database)
    with database.transaction() as connection:
        for row in rows:
            revisions.note_use(connection, row, is_examined=True, unused=None)


def test_of_very_many_objects_those_that_were_told_last_are_looked_at(database: Database) -> None:
    for number in range(502):
        told = replace(APPLIED, name=f"invented-{number:03}", at=NOW - number * SECOND)
        with database.transaction() as connection:
            revisions.note(connection, told, repo="fleet", root="r", received_at=NOW + number * SECOND)
    found = _unexamined(database)
    assert len(found) == 500
    assert [found[0].name, found[-1].name] == ["invented-501", "invented-002"]


def test_of_objects_that_count_for_nothing_only_so_many_are_kept_of_a_cluster(database: Database) -> None:
    _note(database, APPLIED)
    _note(database, replace(APPLIED, cluster="prod-us"))
    _examine_all(database)
    with database.transaction() as connection:
        for number in range(revisions.MOST_UNUSED + 3):
            at = NOW + (20 + number) * MINUTE
            invented = replace(APPLIED, name=f"invented-{number:04}", at=at)
            revisions.note(connection, invented, repo="fleet", root="r", received_at=at)
    kept = _names(database)
    assert len(kept) == revisions.MOST_UNUSED + 1
    assert {"apps", "invented-0003", f"invented-{revisions.MOST_UNUSED + 2:04}"} <= kept
    assert not {"invented-0000", "invented-0001", "invented-0002"} & kept
    with database.transaction() as connection:
        assert measures.every(connection)[revisions.DROPPED] == {"prod-eu": 3}
        assert [row.name for row in revisions.of_cluster(connection, "prod-us")] == ["apps"]


def test_what_only_ever_works_is_bounded_too(database: Database) -> None:
    with database.transaction() as connection:
        for number in range(revisions.MOST_UNUSED + 1):
            at = NOW + number * MINUTE
            told = RevisionUnderway(
                cluster="prod-eu",
                kind="Kustomization",
                namespace="flux-system",
                name=f"invented-{number:04}",
                revision="",
                reason="Progressing",
                message="",
                at=at,
            )
            revisions.note_underway(connection, told, repo="fleet", root="r", received_at=at)
    assert len(_names(database)) == revisions.MOST_UNUSED
    assert "invented-0000" not in _names(database)


def test_objects_that_are_invented_at_once_wait_for_none_of_each_other(database: Database) -> None:
    _invent(database, "first", revisions.MOST_UNUSED)
    at_once(*[partial(_invent, database, f"more-{thread}", 20) for thread in range(6)])
    _invent(database, "last", 1)
    assert len(_names(database)) == revisions.MOST_UNUSED


def test_what_counts_for_nothing_and_was_not_told_again_is_forgotten(database: Database) -> None:
    _note(database, APPLIED)
    _examine_all(database)
    _note(database, replace(APPLIED, name="gone"))
    told_at = NOW + 10 * MINUTE
    with database.transaction() as connection:
        assert revisions.forget(connection, told_at) == revisions.count_forgettable(connection, told_at) == 0
        assert revisions.count_forgettable(connection, told_at + SECOND) == 1
        assert revisions.forget(connection, told_at + SECOND) == 1
    assert _names(database) == {"apps"}


def _invent(database: Database, name: str, count: int) -> None:
    with database.transaction() as connection:
        for number in range(count):
            told = replace(APPLIED, name=f"{name}-{number:04}")
            revisions.note(connection, told, repo="fleet", root="r", received_at=NOW + number * SECOND)


def _names(database: Database) -> set[str]:
    with database.transaction() as connection:
        return {row.name for row in revisions.of_cluster(connection, "prod-eu")}
