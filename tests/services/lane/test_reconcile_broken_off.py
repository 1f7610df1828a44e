"""A run that is broken off, or overtaken, at any step leaves nothing that the next run does not put right."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.errors import Unavailable
from app.core.ports import PullRequest
from app.db import catalogue, lanes, promotion_events
from app.db.database import Database
from app.db.promotions import PromotionState
from app.services.lane.reconcile import reconcile
from tests.end_to_end.bridge import deployment, policy
from tests.services.interruptions import Interrupted, break_off
from tests.services.lanes import IMAGE, LANE, Lane

_FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app without stages."""
    return Lane.create(tmp_path, database, _FILES)


@dataclass
class _Behind:
    """A forge whose answers about one pull request are still those of before it was merged."""

    real: Any
    before: PullRequest

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def pull_request(self, number: int) -> PullRequest:
        """It is open, the forge says."""
        assert number == self.before.number
        return self.before


def _open_and_forget(lane: Lane, tag: str) -> int:
    """A run opens the pull request for a tag and is broken off before that is written down; returns its number."""
    lane.push(tag)
    real = lane.forge
    lane.forge = Interrupted(real, "open_pull_request", break_off, is_after=True)
    with pytest.raises(Unavailable):
        reconcile(lane.claim())
    lane.forge = real
    lane.now += timedelta(hours=2)
    (pull,) = lane.open_pulls()
    return pull.number


def _states(lane: Lane) -> dict[str, PromotionState]:
    return {one.tag: one.state for one in reversed(lane.promotions())}


def test_opened_not_written_down_and_then_merged_the_merge_is_known(lane: Lane) -> None:
    forge: Any = lane.forge
    number = _open_and_forget(lane, "1.1.0")
    forge.merge(number, by="mira")
    lane.run()
    (promotion,) = lane.promotions()
    assert (promotion.state, promotion.pull_request, promotion.merged_by) == (PromotionState.MERGED, number, "mira")


def test_opened_not_written_down_and_then_not_wanted_it_is_closed(lane: Lane) -> None:
    _open_and_forget(lane, "1.1.0")
    with lane.telling_of("1.1.0") as connection:
        catalogue.note_missing(connection, IMAGE, "1.1.0", is_deleted=True, asked_at=lane.now)
    lane.run()
    lane.run()
    assert lane.open_pulls() == []
    assert lane.config.git("for-each-ref", "refs/heads/fluxbridge") == b""
    assert PromotionState.PROPOSED not in _states(lane).values()


def test_opened_not_written_down_and_then_surpassed_it_is_updated(lane: Lane) -> None:
    number = _open_and_forget(lane, "1.1.0")
    lane.push("1.2.0")
    lane.run()
    (pull,) = lane.open_pulls()
    assert pull.number == number
    assert lane.config.text(pull.head, "apps/app.yaml") == deployment("1.2.0")


def test_a_merge_while_a_newer_tag_is_being_pushed_keeps_both(lane: Lane) -> None:
    forge: Any = lane.forge
    lane.push("1.1.0")
    lane.run()
    (pull,) = lane.open_pulls()
    lane.push("1.2.0")
    lane.repository = Interrupted(lane.repository, "push", lambda: forge.merge(pull.number, by="mira"))
    for _ in range(3):
        lane.run()
    merged = [(one.tag, one.merged_by) for one in lane.promotions() if one.state is PromotionState.MERGED]
    proposed = [(one.tag, one.pull_request) for one in lane.promotions() if one.state is PromotionState.PROPOSED]
    (left,) = lane.open_pulls()
    assert (merged, proposed) == ([("1.1.0", "mira")], [("1.2.0", left.number)])
    assert lane.config.text(left.head, "apps/app.yaml") == deployment("1.2.0")


def test_a_merge_that_the_forge_does_not_tell_yet_is_known_from_git_and_written_once(
    lane: Lane, database: Database
) -> None:
    forge: Any = lane.forge
    lane.push("1.1.0")
    lane.run()
    (pull,) = lane.open_pulls()
    forge.merge(pull.number, by="mira")
    lane.forge = _Behind(forge, pull)
    lane.run()
    assert _states(lane) == {"1.1.0": PromotionState.MERGED}
    lane.forge = forge
    lane.run()
    (promotion,) = lane.promotions()
    with database.transaction() as connection:
        told = [event.what for event in promotion_events.of_promotion(connection, promotion.id)]
    assert told == ["waiting", "proposed", "merged"]


def test_a_second_merge_during_the_run_that_notes_the_first_is_noted_too(tmp_path: Path, database: Database) -> None:
    files: dict[str, str] = {}
    for name in ("first", "second"):
        files |= {f"images/{name}.yaml": policy(name), f"apps/{name}.yaml": deployment("1.0.0", name=name)}
    lane = Lane.create(tmp_path, database, files)
    forge: Any = lane.forge
    lane.push("1.1.0")
    lane.run()
    asked_first, asked_last = sorted(pull.number for pull in lane.open_pulls())
    forge.merge(asked_last, by="mira")
    lane.forge = Interrupted(forge, "pull_request", lambda: forge.merge(asked_first, by="mira"), is_after=True)
    lane.run()
    assert [one.state for one in lane.promotions()] == [PromotionState.MERGED] * 2
    assert lane.open_pulls() == []


def test_a_rewritten_main_that_a_fresh_mirror_never_saw_stops_nothing(lane: Lane, tmp_path: Path) -> None:
    lane.run()
    lane.config.delete_branch("main")
    lane.config.commit("main", {**_FILES, "apps/app.yaml": deployment("1.1.0")})
    lane.repository = Mirror(
        Remote(url=str(lane.config.path)),
        GitCommand(tmp_path / "fresh.git", 30),
        base_branches=["main"],
        prefix="fluxbridge",
        identity=("Fluxbridge", "fluxbridge@localhost"),
    )
    lane.run()
    (promotion,) = lane.promotions()
    assert (promotion.tag, promotion.state, promotion.merged_by) == ("1.1.0", PromotionState.MERGED, "unknown")


def test_a_push_of_an_image_that_came_with_this_run_makes_its_lane_due_again(lane: Lane, database: Database) -> None:
    found: list[str] = []

    def look() -> None:
        with database.transaction() as connection:
            found.extend(lanes.lanes_of_image(connection, IMAGE))

    lane.push("1.1.0")
    lane.repository = Interrupted(lane.repository, "push", look)
    lane.run()
    assert found == [LANE]
