"""Threads that hear a bell ask for work once where there is none, and miss none that comes meanwhile."""

import threading
from collections import deque

from app.services.work.bell import Bell, Finder

LONG_S = 600.0


def finder(bell: Bell, work: "deque[str]", looks: list[int], *, rest_s: float = LONG_S) -> Finder[str]:
    def look() -> str | None:
        looks.append(1)
        return work.popleft() if work else None

    return Finder(bell, look, lambda: rest_s)


def test_where_one_found_nothing_the_others_do_not_look_until_it_rings() -> None:
    bell, work, looks = Bell(), deque[str](), list[int]()
    there = finder(bell, work, looks)
    assert [there.take() for _ in range(4)] == [None] * 4
    assert len(looks) == 1
    assert 0 < there.left_s() <= LONG_S
    work.append("a delivery")
    bell.ring()
    assert [there.take() for _ in range(3)] == ["a delivery", None, None]
    assert len(looks) == 3


def test_what_is_due_later_is_found_without_a_ring() -> None:
    bell, work, looks = Bell(), deque[str](), list[int]()
    there = finder(bell, work, looks, rest_s=0)
    assert there.take() is None
    work.append("a lane")
    assert there.take() == "a lane"


def test_a_ring_during_a_look_that_finds_nothing_is_heard() -> None:
    bell, work = Bell(), deque[str]()

    def look() -> str | None:
        if work:
            return work.popleft()
        work.append("came just now")
        bell.ring()
        return None

    there = Finder(bell, look, lambda: LONG_S)
    assert [there.take(), there.take()] == [None, "came just now"]


def test_many_threads_share_one_look() -> None:
    bell, looking, may_end, looks = Bell(), threading.Event(), threading.Event(), list[int]()

    def look() -> str | None:
        looks.append(1)
        looking.set()
        assert may_end.wait(20)
        return None

    there = Finder(bell, look, lambda: LONG_S)
    threads = [threading.Thread(target=there.take) for _ in range(4)]
    threads[0].start()
    assert looking.wait(20)
    for one in threads[1:]:
        one.start()
    may_end.set()
    for one in threads:
        one.join(20)
    assert len(looks) == 1


def test_after_a_look_that_failed_the_next_one_looks() -> None:
    bell, looks = Bell(), list[int]()

    def look() -> str | None:
        looks.append(1)
        if len(looks) == 2:
            raise ZeroDivisionError
        return None

    there = Finder(bell, look, lambda: LONG_S)
    assert there.take() is None
    bell.ring()
    try:
        there.take()
    except ZeroDivisionError:
        bell.ring()
    assert there.take() is None
    assert len(looks) == 3
