"""What a lane run asks of its forge: however many pull requests are open, only those are asked for that matter."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.core.ports import Capabilities, PullRequestState
from app.db.database import Database
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import Lane

STAGES = ("a", "b", "c")
FILES = {
    ".fluxbridge.yaml": "stages:\n" + "".join(f"  {stage}: {{paths: [apps/{stage}]}}\n" for stage in STAGES),
    "images/app.yaml": policy(),
    **{f"apps/{stage}/app.yaml": deployment("1.0.0") for stage in STAGES},
}


@dataclass
class Watched:
    """A forge that writes down what is asked of it."""

    real: Any
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(self.real, name)

        def ask(*arguments: Any, **named: Any) -> Any:
            self.asked.append(name)
            return real(*arguments, **named)

        return ask

    @property
    def capabilities(self) -> Capabilities:
        """Known without asking."""
        found: Capabilities = self.real.capabilities
        return found

    def during(self, lane: Lane) -> list[str]:
        """What a run of the lane asks."""
        self.asked.clear()
        lane.run()
        return self.asked


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """Three pull requests are open for one tag."""
    lane = Lane.create(tmp_path, database, FILES)
    lane.push("1.1.0")
    lane.run()
    assert len(lane.open_pulls()) == len(STAGES)
    return lane


@pytest.fixture
def forge(lane: Lane) -> Watched:
    lane.forge = watched = Watched(lane.forge)
    return watched


def test_a_run_that_changes_nothing_asks_for_the_open_ones_and_nothing_else(lane: Lane, forge: Watched) -> None:
    assert forge.during(lane) == ["open_pull_requests"]


def test_a_newer_tag_is_written_into_each_and_nothing_else_is_asked(lane: Lane, forge: Watched) -> None:
    lane.push("1.2.0")
    assert forge.during(lane) == ["open_pull_requests", *["edit_pull_request"] * len(STAGES)]
    assert {pull.title.split()[4] for pull in lane.open_pulls()} == {"1.2.0"}


def test_only_one_that_ended_is_asked_for(lane: Lane, forge: Watched) -> None:
    [first, *_] = lane.open_pulls()
    forge.real.close(first.number, by="alice")
    asked = forge.during(lane)
    assert asked.count("pull_request") == 1
    assert forge.during(lane) == ["open_pull_requests"]


def test_one_that_was_reopened_is_found_without_being_asked_for(lane: Lane, forge: Watched) -> None:
    [first, *_] = lane.open_pulls()
    forge.real.close(first.number, by="alice")
    lane.run()
    forge.real.reopen(first.number, by="alice")
    assert forge.during(lane) == ["open_pull_requests"]
    assert {row.pull_request for row in lane.promotions() if row.state == "proposed"} >= {first.number}


def test_once_the_base_has_moved_each_is_asked_for_conflicts(lane: Lane, forge: Watched) -> None:
    lane.config.commit("main", {"README.md": "moved"})
    assert forge.during(lane).count("pull_request") == len(STAGES)
    assert forge.during(lane) == ["open_pull_requests"]


def test_a_new_proposal_asks_once_for_the_pull_requests_that_its_branch_had(lane: Lane, forge: Watched) -> None:
    lane.config.commit("main", {f"apps/{stage}/app.yaml": deployment("1.1.0") for stage in STAGES})
    lane.run()
    lane.run()
    lane.push("1.3.0")
    asked = forge.during(lane)
    assert asked.count("find_pull_requests") == len(STAGES)
    assert asked.count("open_pull_request") == len(STAGES)


def test_what_a_person_wrote_stays_until_there_is_news(lane: Lane, forge: Watched) -> None:
    [first, *_] = lane.open_pulls()
    forge.real.edit_pull_request(first.number, title="Please wait", body="We look at this on Monday.")
    forge.during(lane)
    assert forge.real.pull_request(first.number).title == "Please wait"
    lane.push("1.2.0")
    lane.run()
    shown = forge.real.pull_request(first.number)
    assert shown.state is PullRequestState.OPEN
    assert "1.2.0" in shown.title
