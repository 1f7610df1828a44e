"""A build is one record whatever is repeated or told in parts, and nothing known of it is forgotten."""

from dataclasses import replace

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult, TestCounts
from app.db import builds
from app.db.builds import BuildRow
from app.db.database import Database
from tests.db.facts import DIGEST, IMAGE, MINUTE, NOW, OTHER_DIGEST, OTHER_IMAGE, build, image, reports_of
from tests.db.threads import at_once


def test_the_same_build_twice_is_one(database: Database) -> None:
    assert _record(database, build(artifacts=(image(),)))
    assert not _record(database, build(artifacts=(image(),)))
    assert len(_all(database)) == 1


def test_the_same_build_from_many_workers_at_once_is_one(database: Database) -> None:
    told = at_once(*[lambda: _record(database, build(artifacts=(image(),)))] * 6)
    assert told.count(True) == 1
    assert len(_all(database)) == 1


def test_what_a_later_report_adds_is_kept_with_what_was_known(database: Database) -> None:
    bare = BuildFinished(controller="main", job="acme/shop/main", number=7, result=BuildResult.SUCCESS)
    _record(database, replace(build(), tests=TestCounts(5, 5, 0, 0)))
    assert not _record(database, bare)
    assert _record(database, build(artifacts=(image(),)))
    [row] = _all(database)
    assert (row.commit, row.branch, row.tests) == (
        "c" * 40,
        "main",
        {"total": 5, "passed": 5, "failed": 0, "skipped": 0},
    )


def test_a_bare_report_learns_from_a_full_one(database: Database) -> None:
    _record(database, BuildFinished(controller="main", job="acme/shop/main", number=7, result=BuildResult.UNKNOWN))
    assert _record(database, build())
    [row] = _all(database)
    assert (row.result, row.commit, row.finished_at, row.parameters) == (
        BuildResult.SUCCESS,
        "c" * 40,
        NOW,
        {"ENV": "ci"},
    )


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (BuildResult.SUCCESS, BuildResult.UNKNOWN, BuildResult.SUCCESS),
        (BuildResult.UNKNOWN, BuildResult.FAILURE, BuildResult.FAILURE),
        (BuildResult.SUCCESS, BuildResult.FAILURE, BuildResult.FAILURE),
    ],
)
def test_unknown_never_replaces_a_result(
    database: Database, first: BuildResult, second: BuildResult, kept: BuildResult
) -> None:
    _record(database, build(result=first))
    _record(database, build(result=second))
    assert [row.result for row in _all(database)] == [kept]


def test_a_build_of_our_own_branch_stays_ours(database: Database) -> None:
    _record(database, build(), is_ours=True)
    _record(database, build(), is_ours=False)
    assert [row.is_ours for row in _all(database)] == [True]


def test_builds_report_the_images_that_they_named(database: Database) -> None:
    other = Artifact("image", OTHER_IMAGE, "1.2.0", OTHER_DIGEST)
    _record(database, build(7, artifacts=(image(), other)))
    _record(database, build(8, result=BuildResult.FAILURE, artifacts=(image("1.3.0", None),)))
    with database.transaction() as connection:
        reports = reports_of(connection, IMAGE)
    told = sorted((one.number, one.result, one.tag, one.digest) for one in reports)
    assert told == [
        (7, BuildResult.SUCCESS, "1.2.0", DIGEST),
        (8, BuildResult.FAILURE, "1.3.0", None),
    ]


@pytest.mark.parametrize(
    ("change_id", "is_ours", "is_barred"), [(None, False, False), ("7", False, True), (None, True, True)]
)
def test_builds_of_change_requests_and_of_ours_are_barred(
    database: Database, change_id: str | None, *, is_ours: bool, is_barred: bool
) -> None:
    _record(database, replace(build(artifacts=(image(),)), change_id=change_id), is_ours=is_ours)
    with database.transaction() as connection:
        assert [one.is_barred for one in reports_of(connection, IMAGE)] == [is_barred]


def test_what_a_build_named_is_told_with_it(database: Database) -> None:
    chart = Artifact("chart", OTHER_IMAGE, "0.4.0", None)
    _record(database, build(artifacts=(image(), chart)))
    [row] = _all(database)
    with database.transaction() as connection:
        assert list(builds.artifacts_of(connection, row.id)) == [image(), chart]


def test_texts_from_outside_cannot_harm_the_database(database: Database) -> None:
    odd = replace(build(), branch="a\0b\ud800", parameters={"NOTE": "x\0y\udfff"})
    _record(database, odd)
    [row] = _all(database)
    assert row.branch == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert row.parameters == {"NOTE": "x\N{REPLACEMENT CHARACTER}y\N{REPLACEMENT CHARACTER}"}


def test_pages_filter_by_job_result_and_image(database: Database) -> None:
    _record(database, build(1, artifacts=(image(),)))
    _record(database, build(2, result=BuildResult.FAILURE))
    _record(database, replace(build(3), job="acme/other"))
    with database.transaction() as connection:
        by_job = builds.page(connection, limit=9, job="acme/other").items
        by_result = builds.page(connection, limit=9, result=BuildResult.FAILURE).items
        by_image = builds.page(connection, limit=9, image=str(IMAGE)).items
        first = builds.page(connection, limit=2)
        second = builds.page(connection, limit=2, after=first.next)
    assert [[row.number for row in rows] for rows in (by_job, by_result, by_image)] == [[3], [2], [1]]
    assert sorted(row.number for row in [*first.items, *second.items]) == [1, 2, 3]
    assert second.next is None


def _record(database: Database, one: BuildFinished, *, is_ours: bool = False) -> bool:
    with database.transaction() as connection:
        return builds.record(connection, one, is_ours=is_ours, source="ci", delivery_id="d1", now=NOW + MINUTE).is_news


def _all(database: Database) -> list[BuildRow]:
    with database.transaction() as connection:
        return list(builds.page(connection, limit=100).items)


def test_of_many_and_long_parameters_so_much_is_kept_as_reports_may_add_to(database: Database) -> None:
    many = {f"P{number:03}": "x" * 5_000 for number in range(150)}
    more = {f"Q{number:03}": "y" for number in range(150)}
    for parameters in (many, more, many):
        _record(database, replace(build(), parameters=parameters))
    [row] = _all(database)
    assert len(row.parameters) == 200
    assert row.parameters["P149"] == "x" * 2_000
    assert "Q049" in row.parameters
    assert "Q050" not in row.parameters
