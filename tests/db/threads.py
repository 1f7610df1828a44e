"""Calls that happen at the same moment in threads of their own."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def at_once(*calls: Callable[[], Result]) -> list[Result]:
    """Start every call behind one barrier; returns their results in order, or raises the first failure."""
    barrier = threading.Barrier(len(calls))
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    def run(number: int, call: Callable[[], Result]) -> None:
        try:
            barrier.wait(10)
            results[number] = call()
        except BaseException as error:  # noqa: BLE001 (raised again below, in the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(calls))]
