"""Two people at once, or a person and a run: a request ends in one clear state all the same."""

from pathlib import Path
from typing import Any

import pytest

from app.db import holds
from app.db.database import Database
from app.db.promotions import PromotionState
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.services.histories import Histories
from tests.services.interruptions import Interrupted
from tests.services.lanes import LANE, Lane
from tests.services.people.asking import APP, People
from tests.services.people.conftest import RULES
from tests.services.people.test_earlier import deny


def _people(folder: Path, database: Database) -> People:
    files = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
    lane = Lane.create(folder, database, files)
    lane.run()
    found = People(lane)
    found.let_in("1.1.0", "1.2.0")
    return found


@pytest.fixture
def people(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app without stages, at 1.2.0, which had 1.1.0 and 1.0.0 before."""
    return histories.begin(_people, tmp_path, database)


def there(people: People, ref: str = "main") -> str:
    text = people.lane.config.text(ref, "apps/app.yaml")
    return next(tag for tag in ("1.0.0", "1.1.0", "1.2.0", "1.3.0") if text == deployment(tag))


def during_the_push(people: People, what: Any) -> None:
    """Run the lane, and have something happen as it is about to push."""
    real = people.lane.repository
    people.lane.repository = Interrupted(real, "push", what)
    people.lane.run()
    people.lane.repository = real


def test_withdrawn_while_it_is_being_pushed_it_is_closed_again(people: People) -> None:
    asked = people.back()
    during_the_push(people, lambda: people.withdraw(asked.id))
    assert people.run() == []
    assert (people.state(asked.id), people.held(), there(people)) == ("withdrawn", [], "1.2.0")


def test_overtaken_while_it_is_being_pushed_the_other_takes_its_pull_request(people: People) -> None:
    first = people.back()
    during_the_push(people, lambda: people.back(to="1.0.0", who="bob"))
    pull = people.opened()
    assert (people.state(first.id), there(people, pull.head)) == ("overtaken", "1.0.0")
    people.merge()
    assert (there(people), people.run()) == ("1.0.0", [])


def test_overtaken_and_merged_before_the_other_is_pushed_the_other_is_still_carried_out(people: People) -> None:
    first = people.back()
    pull = people.opened()
    second = people.back(to="1.0.0", who="bob")
    during_the_push(people, lambda: people.forge.merge(pull.number, by="mira"))
    (next_one,) = people.run()
    assert (there(people), there(people, next_one.head)) == ("1.1.0", "1.0.0")
    assert (people.state(first.id), people.state(second.id)) == ("overtaken", "open")
    people.merge()
    assert (there(people), people.state(second.id), people.run()) == ("1.0.0", "merged", [])


def test_a_newer_tag_that_is_merged_while_the_rollback_is_pushed_goes_back_too(people: People) -> None:
    people.lane.push("1.3.0")
    newer = people.opened()
    asked = people.back()
    during_the_push(people, lambda: people.forge.merge(newer.number, by="mira"))
    pull = people.opened()
    assert (there(people), there(people, pull.head), people.state(asked.id)) == ("1.3.0", "1.1.0", "open")
    people.merge()
    assert (there(people), people.state(asked.id), people.run()) == ("1.1.0", "merged", [])
    assert [one.tag for one in people.back(is_dry_run=True).targets] == ["1.0.0"]


def test_who_closes_a_newer_tag_while_the_rollback_is_pushed_has_said_no_to_what_they_saw(people: People) -> None:
    people.lane.push("1.3.0")
    newer = people.opened()
    asked = people.back()
    during_the_push(people, lambda: people.forge.close(newer.number, by="mira"))
    pull = people.opened()
    assert (people.state(asked.id), there(people, pull.head)) == ("open", "1.1.0")
    assert sorted(people.held()) == [("closed", APP, ("1.3.0",)), ("rolled back", APP, ("1.1.0",))]
    people.merge()
    assert (there(people), people.state(asked.id), people.run()) == ("1.1.0", "merged", [])


def test_a_target_that_is_denied_as_it_is_merged_is_held_all_the_same(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    deny(people, "1.1.0")
    real = people.forge
    people.lane.forge = Interrupted(real, "close_pull_request", lambda: real.merge(pull.number, by="mira"))
    people.lane.run()
    people.lane.forge = real
    people.run()
    assert (people.state(asked.id), there(people)) == ("merged", "1.1.0")
    assert ("rolled back", APP, ("1.1.0",)) in people.held()
    assert people.run() == [], "what was rolled back does not come in again"


def test_lifted_while_the_lane_runs_the_next_run_knows(people: People) -> None:
    people.back()
    people.opened()
    people.merge()
    people.lane.push("1.1.5")

    def lift() -> None:
        with people.lane.database.transaction() as connection:
            for one in holds.active(connection, LANE):
                holds.lift(connection, one.id, who="bob", why="over", at=people.lane.now)

    real = people.lane.repository
    people.lane.repository = Interrupted(real, "fetch", lift)
    people.lane.run()
    people.lane.repository = real
    assert there(people, people.opened().head) == "1.2.0"


def test_a_stage_that_is_called_otherwise_takes_its_request_along(tmp_path: Path, database: Database) -> None:
    lane = Lane.create(tmp_path, database, {**fleet(), ".fluxbridge.yaml": RULES})
    lane.run()
    people = People(lane, policy="app", stage="staging")
    people.let_in("1.1.0")
    asked = people.back()
    people.run()
    before = {one.number for one in lane.open_pulls()}
    lane.config.commit("main", {".fluxbridge.yaml": RULES.replace("staging:", "canary:")})
    (pull,) = people.run()
    shown = people.shown(asked.id)
    assert (shown.stage, shown.state, shown.pull_request) == ("canary", "open", pull.number)
    assert before == {pull.number}
    people.merge()
    assert people.state(asked.id) == "merged"
    assert lane.config.text("main", "apps/staging/app.yaml") == deployment("1.0.0")
    assert people.run() == []


def test_a_root_that_is_called_otherwise_takes_its_request_along(tmp_path: Path, database: Database) -> None:
    files = {**fleet(), ".fluxbridge.yaml": RULES}
    lane = Lane.create(tmp_path, database, files)
    lane.run()
    people = People(lane, policy="app", stage="staging")
    people.let_in("1.1.0")
    asked = people.back()
    people.run()
    lane.config.commit("main", {"images/app.yaml": "", "policies/app.yaml": policy(), **moved(files)})
    (pull,) = people.run()
    shown = people.shown(asked.id)
    [target] = shown.targets
    assert (target.policy, shown.state, shown.pull_request) == ("policies:flux-system/app", "open", pull.number)
    people.merge()
    assert people.state(asked.id) == "merged"
    assert people.run() == []
    assert {one.state for one in lane.promotions() if (one.stage, one.tag) == ("staging", "1.1.0")} == {
        PromotionState.REVERTED
    }


def moved(files: dict[str, str]) -> dict[str, str]:
    """The clusters with the policies in another folder."""
    return {
        path: text.replace("path: ./images", "path: ./policies")
        for path, text in files.items()
        if path.endswith("apps.yaml")
    }
