"""Cluster states name the newest line of each place; a database of before keeps its lines, repeats are not shown."""

from dataclasses import replace

import pytest
from alembic import command
from sqlalchemy import delete, insert, select, update

from app.db import applications, cluster_states, promotions
from app.db.applications import NewApplication
from app.db.cluster_states import ClusterStateRow, Expected, Place
from app.db.database import Database
from app.db.migrations import configuration
from tests.db.facts import MINUTE, NOW
from tests.db.test_promotions import LANE, NEW
from tests.plans import watching

PLACE = Place(LANE, NEW.stage, NEW.policy, "prod-eu", "flux-system/apps")
OTHER = replace(PLACE, cluster="prod-us")


@pytest.fixture
def promotion(database: Database) -> str:
    with database.transaction() as connection:
        return promotions.begin(connection, NEW, who="fluxbridge", at=NOW).id


def _line(promotion_id: str, state: str = "applied", commit: str = "a" * 40, minutes: int = 0) -> NewApplication:
    return NewApplication(
        place=PLACE,
        promotion_id=promotion_id,
        state=state,
        revision=f"main@sha1:{commit}",
        commit=commit,
        message="",
        at=NOW + minutes * MINUTE,
    )


def _record(database: Database, *lines: NewApplication) -> list[bool]:
    with database.transaction() as connection:
        return [applications.record(connection, one, recorded_at=NOW) for one in lines]


def _cluster_state(database: Database, place: Place = PLACE) -> ClusterStateRow | None:
    with database.transaction() as connection:
        return cluster_states.find(connection, place)


def test_a_later_revision_moves_the_line_on(database: Database, promotion: str) -> None:
    told = _record(database, _line(promotion), _line(promotion, commit="b" * 40, minutes=5), _line(promotion))
    with database.transaction() as connection:
        [line] = applications.of_promotion(connection, promotion)
    assert told == [True, False, False]
    assert (line.commit, line.at) == ("a" * 40, NOW)
    assert (line.newest_commit, line.newest_revision) == ("a" * 40, f"main@sha1:{'a' * 40}")


def test_a_failure_is_the_newest_line_and_not_what_runs(database: Database, promotion: str) -> None:
    _record(database, _line(promotion), _line(promotion, "failed", minutes=1))
    known = _cluster_state(database)
    with database.transaction() as connection:
        applied, failed = applications.of_promotion(connection, promotion)
        running = applications.running_at(connection, PLACE)
    assert known is not None
    assert (known.newest_id, known.running_id) == (failed.id, applied.id)
    assert running == applied


def test_what_git_has_no_more_stays_only_where_something_was_applied(database: Database, promotion: str) -> None:
    _record(database, _line(promotion))
    both = [Expected(place=one, promotion_id=promotion, since=NOW, hindrance=None) for one in (PLACE, OTHER)]
    with database.transaction() as connection:
        cluster_states.expect(connection, LANE, both)
        assert [one.is_expected for one in cluster_states.of_lane(connection, LANE)] == [True, True]
        cluster_states.expect(connection, LANE, [])
        [left] = cluster_states.of_lane(connection, LANE)
    assert (left.place, left.is_expected, left.promotion_id) == (PLACE, False, None)
    assert left.newest_id is not None


def test_only_a_place_that_has_changed_is_written(database: Database, promotion: str) -> None:
    _record(database, _line(promotion))
    both = [Expected(place=one, promotion_id=promotion, since=NOW, hindrance="a\0b") for one in (PLACE, OTHER)]
    with database.transaction() as connection:
        cluster_states.expect(connection, LANE, both)
    with watching(database) as statements, database.transaction() as connection:
        cluster_states.expect(connection, LANE, reversed(both))
    assert [text for text in statements.seen if not text.startswith("SELECT")] == []
    moved = [both[0], replace(both[1], hindrance=None)]
    with watching(database) as statements, database.transaction() as connection:
        cluster_states.expect(connection, LANE, moved)
        known = {one.place: one.hindrance for one in cluster_states.of_lane(connection, LANE)}
    [places] = [given for text, given in statements.seen.items() if text.startswith("DELETE")]
    assert OTHER.cluster in (places.values() if isinstance(places, dict) else places)
    assert known == {PLACE: "a\N{REPLACEMENT CHARACTER}b", OTHER: None}


def test_lines_of_before_are_kept_and_shown_once(database: Database, promotion: str) -> None:
    table = applications.applications
    states = ("failed", "applied", "applied", "applied")
    lines = [_line(promotion, state, f"{number}" * 40, number) for number, state in enumerate(states)]
    where = {"cluster": PLACE.cluster, "kustomization": PLACE.kustomization, "recorded_at": NOW}
    rows = [{**{name: getattr(one, name) for name in one.__slots__ if name != "place"}, **where} for one in lines]
    with database.remaking_tables() as connection:
        connection.execute(insert(table), rows)
        connection.execute(update(table).values(is_repeat=False))
        connection.execute(delete(cluster_states.cluster_states))
        command.downgrade(configuration(connection), "revisions_heard")
    database.migrate()
    with database.transaction() as connection:
        shown = applications.of_promotion(connection, promotion)
        everything = connection.execute(select(table.c.id)).all()
        pages = applications.page(connection, limit=10).items
    assert len(everything) == len(states)
    assert [(one.state, one.commit[0], (one.newest_commit or "-")[0]) for one in shown] == [
        ("failed", "0", "-"),
        ("applied", "1", "3"),
    ]
    assert [one.state for one in pages] == ["applied", "failed"]
    known = _cluster_state(database)
    assert known is not None
    assert (known.newest_id, known.running_id) == (shown[1].id, shown[1].id)
    assert _record(database, _line(promotion, commit="5" * 40)) == [False]
