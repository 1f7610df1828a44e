"""A config repository behind a path or smart HTTP, and mirrors of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from tests.servers.bare_repository import BareRepository
from tests.servers.git_http import GitServer

OURS = "fluxbridge/main/staging/web"
USER, TOKEN = "x-access-token", "ghs_never-to-be-seen"
IDENTITY = ("Fluxbridge", "fluxbridge@localhost")


@dataclass(frozen=True, slots=True)
class GitWorld:
    """The repository as people change it, and the remote by which a mirror reaches it."""

    repository: BareRepository
    remote: Remote
    folder: Path

    def mirror(self, name: str = "mirror.git", *, timeout_s: float = 20) -> Mirror:
        """Open a mirror; the same name is the same folder."""
        return open_mirror(self.remote, self.folder / name, timeout_s=timeout_s)


def open_mirror(remote: Remote, path: Path, *, timeout_s: float = 20) -> Mirror:
    """A mirror of main and what is under `fluxbridge/`."""
    return Mirror(remote, GitCommand(path, timeout_s), base_branches=["main"], prefix="fluxbridge", identity=IDENTITY)


def http_remote(server: GitServer, name: str, credentials: Callable[[], tuple[str | None, str] | None]) -> Remote:
    """A remote over HTTP."""
    return Remote(url=server.url_of(name), credentials=credentials)
