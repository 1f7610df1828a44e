"""Every program that a thread starts ends by the deadline of its work."""

import os
import threading
from datetime import timedelta

import pytest

from app.clients.deadline import ending_within, seconds_left
from app.clients.git.command import GitCommand, GitSetup, GitTimedOut
from tests.clients.git.git_worlds import GitWorld

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def test_without_a_deadline_a_program_has_its_own_limit() -> None:
    assert seconds_left(60) == 60


def test_the_nearer_of_limit_and_deadline_counts() -> None:
    with ending_within(HOUR):
        assert seconds_left(60) == 60
        assert 3590 < seconds_left(7200) <= 3600
    assert seconds_left(7200) == 7200


def test_a_later_deadline_within_an_earlier_one_changes_nothing() -> None:
    with ending_within(SECOND), ending_within(HOUR):
        assert seconds_left(60) <= 1


def test_what_is_past_leaves_no_time() -> None:
    with ending_within(-SECOND):
        assert seconds_left(60) == 0


def test_a_deadline_is_one_threads_own() -> None:
    seen: list[float] = []
    with ending_within(SECOND):
        other = threading.Thread(target=lambda: seen.append(seconds_left(60)))
        other.start()
        other.join()
    assert seen == [60]


def test_git_is_stopped_at_the_deadline(path_world: GitWorld) -> None:
    path_world.mirror()
    door = path_world.folder / "door"
    os.mkfifo(door)
    waits = GitSetup(settings=[("alias.wait", f"!cat '{door}'")])
    with ending_within(timedelta(seconds=0.3)), pytest.raises(GitTimedOut):
        GitCommand(path_world.folder / "mirror.git", timeout_s=20).run("wait", setup=waits)
