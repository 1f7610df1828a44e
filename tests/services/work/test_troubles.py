"""What goes wrong again and again is told when it begins, once a minute, and when it has ended."""

import logging
import re

import pytest

from app.core.errors import Unavailable
from app.services.work.troubles import Troubles


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """It stands still until it is turned."""
    return Clock()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the log has been told."""
    caplog.set_level(logging.INFO, "fluxbridge.troubles")
    return caplog


def test_a_trouble_is_told_once_and_then_each_minute(clock: Clock, told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles(clock)
    for _ in range(121):
        troubles.note("a worker step", Unavailable("the database does not answer"))
        clock.now += 1
    first, second, third = (record.getMessage() for record in told.records)
    assert "a worker step did not work; it is tried again" in first
    assert "the database does not answer" in first
    assert "a worker step still does not work" in second
    assert re.search(r"times\W+61\b", second)
    assert re.search(r"times\W+121\b", third)


def test_its_end_is_told_once_it_has_not_come_for_a_while(clock: Clock, told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles(clock)
    troubles.note("a worker step", Unavailable("the disk is full"))
    clock.now += 5
    troubles.went_well("a worker step")
    troubles.note("a worker step", Unavailable("the disk is full"))
    clock.now += 11
    troubles.went_well("another step")
    assert len(told.records) == 1
    troubles.went_well("a worker step")
    troubles.went_well("a worker step")
    [_, ended] = (record.getMessage() for record in told.records)
    assert "a worker step works again" in ended
    assert re.search(r"times\W+2\b", ended)
    assert re.search(r"lasted_s\W+5\b", ended)


def test_what_nobody_foresaw_comes_with_its_traceback_and_beside_what_was_known(
    clock: Clock, told: pytest.LogCaptureFixture
) -> None:
    troubles = Troubles(clock)
    troubles.note("a worker step", Unavailable("the disk is full"))
    with pytest.raises(KeyError) as unforeseen_error:
        dict[str, str]()["main"]
    for _ in range(2):
        troubles.note("a worker step", unforeseen_error.value)
    [_, unforeseen] = (record.getMessage() for record in told.records)
    assert "a worker step failed" in unforeseen
    assert "KeyError" in unforeseen
