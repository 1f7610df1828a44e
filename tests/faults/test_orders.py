"""What is known at the end does not depend on the order in which it was told, nor on how often."""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.core.ports import PullRequestState
from app.demo.registry import DemoRegistry
from tests.db.threads import at_once
from tests.end_to_end.bridge import Bridge, registry_event, settings_text, started
from tests.faults.extent import IS_LONG, ROUNDS, SEED, timeout
from tests.faults.fleets import Fleet, Message
from tests.servers.bare_repository import BareRepository

pytestmark = timeout
APPS = ("app-0", "app-1", "app-2")
_MISSING = f"sha256:{'0' * 64}"
# The reason is that of the moment when it was proposed, and so of the order; so are numbers of pull requests.
_OF_THE_WAY = {"reason", "pull_request"}
_OF_ONE_RUN = {"id", "delivery"}
NewDatabase = Callable[[], str]
Order = Callable[[list[Message]], list[Message]]


def _shuffled(seed: int) -> Order:
    return lambda told: random.Random(seed).sample(told, len(told))  # noqa: S311 (the same order for the same seed)


_ORDERS: Mapping[str, Order] = {
    "reversed": lambda told: told[::-1],
    **{f"shuffled-{SEED + number}": _shuffled(SEED + number) for number in range(ROUNDS if IS_LONG else 1)},
}
# In the gate each kind of database sees another order.
_KINDS = ("sqlite", "postgresql")
_CASES = list(product(_KINDS, _ORDERS) if IS_LONG else zip(_KINDS, _ORDERS, strict=True))


@pytest.mark.parametrize(("new_database", "order"), _CASES, indirect=["new_database"])
def test_events_in_any_order_end_in_the_same_state(tmp_path: Path, new_database: NewDatabase, order: str) -> None:
    config = _config(tmp_path)
    expected = _state_after(tmp_path / "in-order", config, new_database(), lambda told: told)
    found = _state_after(tmp_path / "otherwise", config, new_database(), _ORDERS[order])
    for part, known in found.items():
        assert known == expected[part], part
    assert {(one["stage"], one["policy"].rpartition("/")[2], one["tag"]) for one in found["promotions"]} == {
        *(("staging", app, "1.3.0") for app in APPS),
        ("production", "app-0", "1.3.0"),
        ("production", "app-1", "1.2.0"),
        ("production", "app-2", "1.3.0"),
    }


def test_a_delivery_that_comes_ten_times_at_once_and_five_times_later_acts_once(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with _running(tmp_path / "run", _config(tmp_path), new_database()) as (bridge, fleet):
        before = len(bridge.items("/deliveries"))
        pushed, _ = fleet.push("app-0", "1.1.0")

        def send() -> str:
            answer = bridge.post(pushed.source, pushed.body, pushed.headers)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        ids = at_once(*[send] * 10)
        bridge.settle()
        ids += [send() for _ in range(5)]
        bridge.settle()
        assert len(set(ids)) == 1, f"kept under {set(ids)}"
        assert len(bridge.items("/deliveries")) == before + 1
        delivery = bridge.get(f"/deliveries/{ids[0]}")
        assert (delivery["state"], delivery["tries"]) == ("done", 1), delivery
        (promotion,) = [one for one in bridge.items("/promotions") if one["stage"] == "staging"]
        assert [event["what"] for event in bridge.get(f"/promotions/{promotion['id']}")["events"]].count(
            "proposed"
        ) == 1
        assert len(_open_pulls(bridge)) == 1


def _config(folder: Path) -> BareRepository:
    """One repository, to copy: commits are the same only where their parents are."""
    config = BareRepository.create(folder / "template.git")
    with DemoRegistry() as registry:
        config.commit("main", Fleet(registry, APPS).files())
    return config


@contextmanager
def _running(folder: Path, config: BareRepository, database: str) -> Iterator[tuple[Bridge, Fleet]]:
    """Fluxbridge over a copy of the config repository and a registry that has the first tags only."""
    folder.mkdir()
    copied = BareRepository(Path(shutil.copytree(config.path, folder / "fleet.git")))
    with DemoRegistry() as registry:
        fleet = Fleet(registry, APPS)
        settings = settings_text(folder, str(copied.path), registry.host, database)
        with started(folder, settings, config=copied, registry=registry) as bridge:
            yield bridge, fleet


def _what_happened(fleet: Fleet) -> list[Message]:
    """Three versions each; of one the build failed, one was pushed twice, and one is gone again."""
    told: list[Message] = []
    for number in (1, 2, 3):
        for app in APPS:
            result = "FAILURE" if (app, number) == ("app-1", 3) else "SUCCESS"
            told += fleet.push(app, f"1.{number}.0", result=result)
    told += fleet.push("app-2", "1.2.0", made="again")
    for action in (b"push", b"delete"):
        body, headers = registry_event("team/app-0", "1.9.0", _MISSING, host=fleet.registry.host)
        about = f"{action.decode()} of app-0:1.9.0"
        told.append(Message("registry", about, body.replace(b'"push"', b'"%s"' % action), headers))
    return told


def _state_after(folder: Path, config: BareRepository, database: str, order: Order) -> dict[str, Any]:
    """Send what happened in this order; what is known and proposed in the end, without ids and times."""
    with _running(folder, config, database) as (bridge, fleet):
        for message in order(_what_happened(fleet)):
            answer = bridge.api.post(f"/webhooks/{message.source}", content=message.body, headers=dict(message.headers))
            assert answer.status_code == 202, f"{message}: {answer.text}"
        bridge.settle()
        promotions = [one for one in bridge.items("/promotions") if one["state"] in {"waiting", "proposed"}]
        state = {
            "builds": _values(bridge.items("/builds", limit="100")),
            "tags": {app: _values(_tags(bridge, app)) for app in APPS},
            "promotions": _values(promotions),
            "pulls": sorted(_open_pulls(bridge)),
        }
        told: dict[str, Any] = json.loads(json.dumps(state).replace(fleet.registry.host, "registry"))
        return told


def _tags(bridge: Bridge, app: str) -> list[Any]:
    return bridge.items("/images/tags", image=f"registry.acme.example/team/{app}", limit="100")


def _open_pulls(bridge: Bridge) -> list[tuple[str, ...]]:
    """Of each open pull request the branch, the title, the parent of its head and the tree there."""
    pulls = (
        bridge.forge.pull_request(one["pull_request"]["number"])
        for one in bridge.items("/promotions")
        if one["pull_request"]
    )
    found = {pull.number: pull for pull in pulls if pull.state is PullRequestState.OPEN}
    shown = "--format=%T %P"
    return [
        (pull.head, pull.title, *bridge.config.git("log", "-1", shown, pull.head_sha).decode().split())
        for pull in found.values()
    ]


def _values(items: Sequence[Any]) -> list[Any]:
    """Items as values: without what differs from run to run, in an order of their own."""
    return sorted((_value(item) for item in items), key=lambda item: json.dumps(item, sort_keys=True))


def _value(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {
        name: _value(value)
        for name, value in item.items()
        if name not in _OF_ONE_RUN | _OF_THE_WAY and not name.endswith("_at")
    }
