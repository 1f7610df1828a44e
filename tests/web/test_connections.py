"""Who gives way where there are too many connections is decided once what came with them has been read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from app.web.connections import Connections


@dataclass
class Loop:
    """Keeps what is called later until it is told to."""

    later: list[Callable[[], None]] = field(default_factory=list)

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> Any:
        if delay == 0:
            self.later.append(lambda: call(*arguments))
        return SimpleNamespace(cancel=lambda: None)

    def run(self) -> None:
        for call in self.later:
            call()
        self.later.clear()


@dataclass(eq=False)
class Client:
    """A connection as the server sees it."""

    loop: Loop
    cycle: Any = None
    is_cut_off: bool = False
    flow: Any = field(default_factory=lambda: SimpleNamespace(write_paused=False))

    @property
    def transport(self) -> Any:
        def abort() -> None:
            self.is_cut_off = True

        return SimpleNamespace(abort=abort)

    def ask(self) -> None:
        """Its whole request has come."""
        self.cycle = SimpleNamespace(response_complete=False, more_body=False)


def test_one_whose_request_came_with_it_does_not_give_way() -> None:
    loop = Loop()
    asking, idle, new = (Client(loop) for _ in range(3))
    connections: Any = Connections(most=2, head_s=600)
    for one in (asking, idle, new):
        connections.admit(one)
    asking.ask()
    connections.look(asking)
    loop.run()
    assert [one.is_cut_off for one in (asking, idle, new)] == [False, True, False]


def test_of_very_many_at_once_those_that_came_first_give_way_at_once() -> None:
    loop = Loop()
    clients = [Client(loop) for _ in range(1000)]
    connections: Any = Connections(most=2, head_s=600)
    for one in clients:
        connections.admit(one)
    assert sum(not one.is_cut_off for one in clients) == 2 + 256
    loop.run()
    assert [one for one in clients if not one.is_cut_off] == clients[-2:]


def test_one_that_does_not_read_its_answer_gives_way() -> None:
    loop = Loop()
    clients = [Client(loop) for _ in range(2)]
    connections: Any = Connections(most=2, head_s=600)
    for one in clients:
        connections.admit(one)
        one.ask()
        connections.look(one)
    clients[1].flow.write_paused = True
    connections.look(clients[1])
    connections.admit(Client(loop))
    loop.run()
    assert [one.is_cut_off for one in clients] == [False, True]
