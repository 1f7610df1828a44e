"""Turns go to those who come first, then to the others, each in the order in which they asked."""

import threading
from collections.abc import Callable

import pytest

from app.db.turns import NoTurn, Turns

PATIENCE_S = 20


class Line:
    """Threads that ask for a turn one after the other while somebody else has it."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def ask(self, name: str, *, comes_first: bool = False) -> None:
        """Begin to wait; returns when it does."""

        def run() -> None:
            with self.turns.turn(comes_first=comes_first, timeout_s=PATIENCE_S):
                self.order.append(name)

        waiting = self._waiting()
        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()
        _until(lambda: self._waiting() == waiting + 1)

    def end(self) -> list[str]:
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return self.order

    def _waiting(self) -> int:
        return len(self.turns._first) + len(self.turns._others)


def _until(is_so: Callable[[], bool]) -> None:
    ticking = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        ticking.wait(0.01)
    raise AssertionError("it never came to it")


def test_those_who_come_first_pass_the_others_and_each_line_keeps_its_order() -> None:
    line = Line()
    with line.turns.turn(comes_first=False, timeout_s=0):
        for name in ("a", "b"):
            line.ask(name)
        line.ask("inbox", comes_first=True)
        line.ask("c")
        line.ask("probe", comes_first=True)
    assert line.end() == ["inbox", "probe", "a", "b", "c"]


def test_who_asks_again_at_once_waits_behind_those_who_wait() -> None:
    line = Line()
    with line.turns.turn(comes_first=False, timeout_s=0):
        line.ask("other")
    with line.turns.turn(comes_first=False, timeout_s=PATIENCE_S):
        line.order.append("again")
    assert line.end() == ["other", "again"]


def test_a_turn_that_does_not_come_in_time_is_none_and_holds_up_nobody() -> None:
    turns = Turns()
    with (
        turns.turn(comes_first=False, timeout_s=0),
        pytest.raises(NoTurn),
        turns.turn(comes_first=True, timeout_s=0.01),
    ):
        pass
    with turns.turn(comes_first=False, timeout_s=0):
        pass


def test_a_turn_that_ends_badly_is_passed_on() -> None:
    turns = Turns()
    with pytest.raises(KeyError), turns.turn(comes_first=False, timeout_s=0):
        raise KeyError
    with turns.turn(comes_first=False, timeout_s=0):
        pass
