"""The programs that this process has started and that have not ended."""

import os
import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


def running() -> set[int]:
    """Their process ids; none where the system does not tell.

    Python's own helper that cleans up behind its processes is started with the first of them and lives as long as we.
    """
    if not _THREADS.exists():
        return set()
    return {pid for pid in _children() if "multiprocessing.resource_tracker" not in _command_line(pid)}


def still_running(pids: set[int], *, patience_s: float) -> list[str]:
    """Which of them have not ended after so long, by their command lines."""
    return [_command_line(pid) for pid in sorted(pids) if not _ends(pid, patience_s)]


def _children() -> Iterator[int]:
    for thread in _THREADS.iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            yield from map(int, (thread / "children").read_text().split())


def _ends(pid: int, patience_s: float) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = select.poll()
    ended.register(process, select.POLLIN)
    try:
        return bool(ended.poll(patience_s * 1000))
    finally:
        os.close(process)


def _command_line(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return str(pid)
