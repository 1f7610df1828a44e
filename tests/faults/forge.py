"""A GitHub that calls the test back at each request, where it may kill, delay or change something."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.forge_server import Exchange, Fault
from tests.servers.git_http import GitRequest, GitServer, git_server
from tests.servers.github import GitHubServer
from tests.servers.pulls import Pull

BOT, BOT_TOKEN, MIRA = "fluxbridge-bot", "ghp_bot", "mira"
_ACCOUNTS = {BOT: BOT_TOKEN, MIRA: "ghp_mira"}
_FULL_NAME = "acme/fleet"


class WatchedGitHub(GitHubServer):
    """Calls `on_asked` before it acts on a request to its API, and `on_acted` after it, before the answer is sent.

    `on_git` is called while a git command waits for its answer. All are called in the thread of that request.
    """

    def __init__(self, git: GitServer, accounts: Mapping[str, str]) -> None:
        super().__init__(git, accounts, full_name=_FULL_NAME)
        self.on_asked: Callable[[str, str], None] = lambda _method, _path: None
        self.on_acted: Callable[[Exchange], None] = lambda _exchange: None
        self.on_git: Callable[[], None] = lambda: None
        self.pushed: list[tuple[str, str, str]] = []
        """Each branch that anyone pushed, with its commits before and after, in order."""
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that were killed leave
        git.on_request = lambda: self.on_git()  # noqa: PLW0108 (looked up at each call: tests replace it)

    def take_fault(self, method: str, path: str) -> Fault | None:
        self.on_asked(method, path)
        return super().take_fault(method, path)

    def note_exchange(self, exchange: Exchange) -> int:
        count = super().note_exchange(exchange)
        self.on_acted(exchange)
        return count

    def note_push(self, lines: str, pusher: str) -> None:
        for line in lines.splitlines():
            before, after, ref = line.split(" ", 2)
            self.pushed.append((ref.removeprefix("refs/heads/"), before, after))
        super().note_push(lines, pusher)

    @property
    def git_requests(self) -> Sequence[GitRequest]:
        """What git commands asked so far."""
        return self._git.requests

    def pulls(self) -> list[Pull]:
        """Every pull request, newest first."""
        return self._pulls.every()

    def opened(self) -> list[Exchange]:
        """Each request that opened a pull request."""
        return [
            one
            for one in list(self.exchanges)
            if (one.method, one.status, one.is_ours) == ("POST", 201, True) and one.path.endswith("/pulls")
        ]


@contextmanager
def watched_github(folder: Path) -> Iterator[WatchedGitHub]:
    """Run one until the block ends; afterwards it calls nobody back."""
    bot_token = next(iter(_ACCOUNTS.values()))
    with git_server(folder, {**_ACCOUNTS, "x-access-token": bot_token, "admin": "root"}) as git:
        github = WatchedGitHub(git, _ACCOUNTS)
        with github.running():
            yield github
