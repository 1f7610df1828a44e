"""Killed at any moment and started again, the server loses nothing that it acknowledged and doubles nothing.

A long run: `FLUXBRIDGE_FAULT_ROUNDS=50 uv run pytest -n0 tests/faults`.
"""

import random
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import make_url

from tests.faults.extent import IS_LONG, ROUNDS, SEED, timeout
from tests.faults.moments import Moment
from tests.faults.worlds import World, world

pytestmark = timeout
# What may happen when it is killed, and up to how many times before.
_MOMENTS = [("acknowledged", 12), ("git", 8), ("asked", 20), ("acted", 20)]
# What a git command that was killed leaves in its repository.
_STALE_LOCKS = ("HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock", "refs/heads/main.lock")


def test_killed_at_any_moment_it_loses_nothing_and_doubles_nothing(
    tmp_path: Path, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(f"{SEED} {make_url(database_url).get_backend_name()}")  # noqa: S311 (the same moments for the same seed)
    with world(tmp_path, database_url, apps=6 if IS_LONG else 4) as here:
        here.fluxbridge.start()
        for number in range(1, ROUNDS + 1):
            _one_round(here, number, chance)
        here.check()
        checked = here.fluxbridge.run("check", "--database")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        ready = sorted(here.fluxbridge.ready_s[1:])
        record_property("ready_s", ready)
        print(f"ready after {ready[0]:.2f} to {ready[-1]:.2f} s, median {ready[len(ready) // 2]:.2f} s")


def _one_round(here: World, number: int, chance: random.Random) -> None:
    """Push every app, kill the server in the midst of the work, and start it again."""
    kind, most = chance.choice(_MOMENTS)
    is_whole = chance.random() < 0.5
    moment = Moment(kind, chance.randint(1, most), lambda: here.fluxbridge.kill(with_children=is_whole))
    here.senders.on_acknowledged = lambda: moment.note("acknowledged")
    here.github.on_git = lambda: moment.note("git")
    here.github.on_asked = lambda _method, _path: moment.note("asked")
    here.github.on_acted = lambda _exchange: moment.note("acted")
    here.senders.give(here.fleet.push_all(number))
    moment.wait()
    if is_whole:
        _leave_locks(here)
    here.fluxbridge.start()


def _leave_locks(here: World) -> None:
    for mirror in (here.fluxbridge.settings.data_dir / "mirrors").glob("*.git"):
        for name in _STALE_LOCKS:
            (mirror / name).parent.mkdir(parents=True, exist_ok=True)
            (mirror / name).touch()
