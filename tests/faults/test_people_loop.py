"""Killed at any moment while people merge, close and reopen, and builds trickle in: history and branches stay right.

A long run: `FLUXBRIDGE_FAULT_ROUNDS=40 uv run pytest -n0 tests/faults/test_people_loop.py`.
"""

import random
from pathlib import Path

from sqlalchemy import make_url

from tests.faults import truth
from tests.faults.extent import IS_LONG, ROUNDS, SEED, on, timeout
from tests.faults.moments import Moment
from tests.faults.people import People
from tests.faults.worlds import World, world

pytestmark = timeout
_MOMENTS = [("acknowledged", 6), ("git", 8), ("asked", 20), ("acted", 20)]
_FEW = 3


@on("sqlite")
def test_killed_while_people_act_no_branch_goes_back_and_each_merge_is_known(tmp_path: Path, database_url: str) -> None:
    chance = random.Random(f"{SEED} {make_url(database_url).get_backend_name()}")  # noqa: S311 (the same moments for the same seed)
    with world(tmp_path, database_url, apps=3 if IS_LONG else 2, branches_s=1) as here:
        people = People(here.fleet, here.github, chance)
        here.fluxbridge.start()
        for number in range(1, (ROUNDS if IS_LONG else _FEW) + 1):
            _one_round(here, people, number, chance)
            people.nothing_went_back()
        here.senders.give(people.reports_left())
        here.senders.wait()
        here.fluxbridge.settle()
        _look(here)
        here.fluxbridge.settle()
        people.nothing_went_back()
        people.merges_are_known(here.fluxbridge)
        people.what_is_open_is_right()
        truth.nothing_is_lost(here.fluxbridge, here.senders.acknowledged)
        truth.database_is_sound(here.fluxbridge)


def _one_round(here: World, people: People, number: int, chance: random.Random) -> None:
    """Versions come, people act twice, and the server is killed in the midst of it and started again."""
    kind, most = chance.choice(_MOMENTS)
    is_whole = chance.random() < 1 / 2
    moment = Moment(kind, chance.randint(1, most), lambda: here.fluxbridge.kill(with_children=is_whole))
    here.senders.on_acknowledged = lambda: moment.note("acknowledged")
    here.github.on_git = lambda: moment.note("git")
    here.github.on_asked = lambda _method, _path: moment.note("asked")
    here.github.on_acted = lambda _exchange: moment.note("acted")
    here.senders.give(people.push_all(number))
    people.act()
    moment.wait()
    people.act()
    here.fluxbridge.start()


def _look(here: World) -> None:
    """No webhook of the forge comes in this world: what people did last is found by looking."""
    done = here.fluxbridge.run("sweep", "pull_requests")
    assert done.returncode == 0, done.stderr
