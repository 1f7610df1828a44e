"""Stages answer: what is where, which build is it, who let it in, and how does each cluster stand?"""

from dataclasses import replace

import pytest

from app.core.errors import Invalid
from app.core.images import ImageName
from app.db import catalogue, fields
from app.db.database import Database
from app.services.reading.stages import StageFilters, list_stages
from app.services.systems import Systems
from tests.services.history import COMMIT, DIGEST, LANE, MINUTE, NOW, POLICY, field_row, write_history

SYSTEMS = Systems()
LATER = NOW + 10 * MINUTE


def test_a_stage_shows_what_is_there_and_how_it_came(database: Database) -> None:
    with database.transaction() as connection:
        written = write_history(connection)
        page = list_stages(connection, SYSTEMS, StageFilters(stage="production"), now=LATER)
    [one] = page.items
    assert (one.repo, one.branch, one.policy, one.tag, one.digest) == ("fleet", "release/2026", POLICY, "1.1.0", DIGEST)
    assert one.build is not None
    assert (one.build.id, one.build.job, one.build.number) == (written.build, "acme/shop/main", 7)
    assert one.pull_request is not None
    assert (one.pull_request.number, one.pull_request.url) == (4, "https://github.com/acme/fleet/pull/4")
    assert (one.merged_by, one.merged_at, one.merge_commit) == ("mia", NOW + MINUTE, COMMIT)
    assert (one.origin, one.promotion) == ("fluxbridge", written.merged)
    assert [(a.cluster, a.kustomization, a.state) for a in one.applied] == [("prod-eu", "flux-system/apps", "applied")]


def test_a_stage_that_nobody_saw_filled_still_names_its_build(database: Database) -> None:
    with database.transaction() as connection:
        written = write_history(connection)
        [one] = list_stages(connection, SYSTEMS, StageFilters(stage="staging"), now=LATER).items
    assert (one.tag, one.digest, one.promotion, one.merged_by, one.applied) == ("1.1.0", DIGEST, None, None, [])
    assert one.build is not None
    assert one.build.id == written.build


def test_a_build_of_an_alias_of_the_registry_is_found(database: Database) -> None:
    systems = Systems(aliases={"mirror.acme.example": "registry.acme.example"})
    with database.transaction() as connection:
        write_history(connection)
        aliased = field_row("staging", "1.1.0")
        image = "mirror.acme.example/shop/web"
        fields.replace_all(connection, LANE, [replace(aliased, image=image)])
        [one] = list_stages(connection, systems, StageFilters(), now=LATER).items
    assert one.image == image
    assert one.build is not None


def test_another_tag_in_git_than_was_merged_last_is_not_said_to_come_from_there(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        fields.replace_all(connection, LANE, [field_row("production", "0.9.0")])
        [one] = list_stages(connection, SYSTEMS, StageFilters(), now=LATER).items
    assert (one.tag, one.promotion, one.build, one.digest) == ("0.9.0", None, None, None)


def test_fields_of_one_policy_that_disagree_are_shown_one_by_one(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        rows = [field_row("production", tag) for tag in ("1.1.0", "1.0.0", None)]
        fields.replace_all(connection, LANE, rows)
        page = list_stages(connection, SYSTEMS, StageFilters(), now=LATER)
    assert [one.tag for one in page.items] == ["1.0.0", "1.1.0"]


def test_an_image_that_is_none_and_a_text_without_a_tag_are_shown_as_they_are(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        odd = field_row("production", None)
        fields.replace_all(connection, LANE, [replace(odd, image="${IMAGE}")])
        [one] = list_stages(connection, SYSTEMS, StageFilters(), now=LATER).items
    assert (one.image, one.tag, one.build) == ("${IMAGE}", None, None)


def test_pages_of_stages_join_to_the_whole(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        names = [f"flux-system/app-{number}" for number in range(5)]
        fields.replace_all(connection, LANE, [field_row("production", "1.1.0", name) for name in names])
        found, after = [], None
        for _ in range(3):
            page = list_stages(connection, SYSTEMS, StageFilters(limit=2, after=after), now=LATER)
            found += [one.policy for one in page.items]
            after = page.next
    assert (found, after) == (names, None)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        pytest.param(StageFilters(), 2, id="all"),
        pytest.param(StageFilters(repo="fleet"), 2, id="repo"),
        pytest.param(StageFilters(repo="other"), 0, id="another repo"),
        pytest.param(StageFilters(policy="web"), 2, id="policy by name"),
        pytest.param(StageFilters(policy="eb"), 0, id="part of a name"),
        pytest.param(StageFilters(policy="flux-system/web"), 2, id="policy with namespace"),
        pytest.param(StageFilters(image="registry.acme.example/shop/web"), 2, id="image"),
        pytest.param(StageFilters(image="registry.acme.example/shop/api"), 0, id="another image"),
    ],
)
def test_stages_are_narrowed(database: Database, filters: StageFilters, count: int) -> None:
    with database.transaction() as connection:
        write_history(connection)
        assert len(list_stages(connection, SYSTEMS, filters, now=LATER).items) == count


def test_a_cursor_that_nobody_gave_is_invalid(database: Database) -> None:
    with database.transaction() as connection, pytest.raises(Invalid):
        list_stages(connection, SYSTEMS, StageFilters(after="bm90IG9uZQ"), now=LATER)


def test_the_digest_is_that_of_the_promotion_also_after_the_tag_was_moved(database: Database) -> None:
    image = ImageName.parse("registry.acme.example/shop/web")
    with database.transaction() as connection:
        write_history(connection)
        catalogue.set_digest(connection, image, "1.1.0", f"sha256:{'b' * 64}", asked_at=NOW)
        [one] = list_stages(connection, SYSTEMS, StageFilters(stage="production"), now=LATER).items
    assert one.digest == DIGEST
