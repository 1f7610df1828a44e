"""The world of a forge on loopback, whatever its kind: its server, the bot's view of it, and people who use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.core.ports import Forge
from tests.servers.forge_server import ForgeServer

MIRA = "mira"

ServerT = TypeVar("ServerT", bound=ForgeServer)
ForgeT = TypeVar("ForgeT", bound=Forge)


@dataclass(frozen=True)
class ServedWorld(Generic[ServerT, ForgeT]):
    """The server, and the forge as the bot; what names nobody is done by MIRA."""

    server: ServerT
    forge: ForgeT

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.server.push(branch, files, by=MIRA)

    def head(self, branch: str) -> str | None:
        return self.server.repository.head(branch)

    def delete_branch(self, branch: str) -> None:
        self.server.delete_branch(branch, by=MIRA)

    def merge_as(self, account: str, number: int) -> None:
        self.server.merge(number, by=account)

    def close_as(self, account: str, number: int) -> None:
        self.server.close(number, by=account)

    def reopen_as(self, account: str, number: int) -> None:
        self.server.reopen(number, by=account)

    def comment_as(self, account: str, number: int, text: str) -> None:
        self.server.comment(number, text, by=account)
