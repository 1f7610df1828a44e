"""A rollback brings back every field that a policy sets, byte for byte, of whatever kind they are."""

from pathlib import Path

import pytest

from app.db.database import Database
from tests.end_to_end.bridge import deployment
from tests.services.lane.test_reconcile_declared import CHANGED, CHART_RULES, FILES, charts
from tests.services.lanes import IMAGE, Lane, digest
from tests.services.people.asking import People


def files_of(people: People, paths: dict[str, str], ref: str = "main") -> dict[str, str]:
    """These files as a branch has them."""
    return {path: people.lane.config.text(ref, path) for path in paths}


def test_fields_of_every_kind_go_back_together(tmp_path: Path, database: Database) -> None:
    lane = Lane.create(tmp_path, database, FILES)
    lane.run()
    people = People(lane)
    people.let_in("1.1.0")
    assert files_of(people, CHANGED) == CHANGED
    asked = people.back()
    pull = people.opened()
    assert len(asked.changes) == len(CHANGED)
    before = {path: FILES[path] for path in CHANGED}
    assert files_of(people, before, pull.head) == before
    people.merge()
    assert (files_of(people, before), people.run()) == (before, [])


@pytest.mark.parametrize("to", [None, "1.4.2"])
def test_a_chart_goes_back_with_its_lock_file(tmp_path: Path, database: Database, to: str | None) -> None:
    before, after = charts("before"), charts("after")
    lane = Lane.create(tmp_path, database, {".fluxbridge.yaml": CHART_RULES, **before})
    lane.run()
    people = People(lane, policy="web")
    people.let_in("1.5.0")
    assert files_of(people, after) == after
    people.back(to)
    pull = people.opened()
    assert files_of(people, before, pull.head) == before
    people.merge()
    assert (files_of(people, before), people.run()) == (before, [])


def test_a_digest_beside_the_tag_is_the_one_that_it_had(tmp_path: Path, database: Database) -> None:
    def text(tag: str) -> str:
        return f'image: {IMAGE}:{tag}@{digest(tag)} # {{"$imagepolicy": "flux-system:app"}}\n'

    reflected = "spec:\n  digestReflectionPolicy: IfNotPresent\n  imageR"
    chosen = FILES["images/app.yaml"].replace("spec:\n  imageR", reflected)
    lane = Lane.create(tmp_path, database, {"images/app.yaml": chosen, "apps/app.yaml": text("1.0.0")})
    lane.run()
    people = People(lane)
    people.let_in("1.1.0", "1.2.0")
    assert people.lane.config.text("main", "apps/app.yaml") == text("1.2.0")
    lane.registry.moved["1.1.0"] = digest("other")
    people.back()
    pull = people.opened()
    assert people.lane.config.text(pull.head, "apps/app.yaml") == text("1.1.0")
    people.merge()
    assert people.run() == [], "the tag that names another digest now does not come in by itself"


def test_what_people_wrote_beside_the_fields_since_stays(tmp_path: Path, database: Database) -> None:
    lane = Lane.create(
        tmp_path, database, {"images/app.yaml": FILES["images/app.yaml"], "apps/app.yaml": deployment("1.0.0")}
    )
    lane.run()
    people = People(lane)
    people.let_in("1.1.0")
    lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0", replicas=7)})
    people.back()
    assert people.lane.config.text(people.opened().head, "apps/app.yaml") == deployment("1.0.0", replicas=7)
    people.lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0", replicas=9)})
    assert people.lane.config.text(people.opened().head, "apps/app.yaml") == deployment("1.0.0", replicas=9)


def test_what_came_by_a_commit_of_somebody_goes_back_as_well(tmp_path: Path, database: Database) -> None:
    lane = Lane.create(
        tmp_path, database, {"images/app.yaml": FILES["images/app.yaml"], "apps/app.yaml": deployment("1.0.0")}
    )
    lane.run()
    people = People(lane)
    lane.push("1.1.0")
    lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0")})
    people.run()
    asked = people.back()
    (target,) = asked.targets
    assert target.tag == "1.0.0"
    assert target.takes_back is not None
    assert "by Ada <ada@acme.example>" in target.takes_back
    people.opened()
    people.merge()
    assert (people.lane.config.text("main", "apps/app.yaml"), people.run()) == (deployment("1.0.0"), [])
