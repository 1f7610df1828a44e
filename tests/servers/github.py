"""GitHub on loopback: one repository with git over HTTP, its REST API, its webhooks, and people who use it."""

import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from tests.parts import is_missing
from tests.servers.bare_repository import BareRepository
from tests.servers.git_http import GitServer, git_server, protect_main
from tests.servers.github_api import ENTERPRISE_VERSION, Answer, Asked, RestApi
from tests.servers.github_bodies import Bodies
from tests.servers.github_checks import Exchange, problems
from tests.servers.github_limits import HourlyLimit
from tests.servers.github_pulls import NOWHERE, MergeMethod, Pull, PullEvent, PullRequests, PushEvent
from tests.servers.github_webhooks import FIRST_HOOK, Webhook, WebhookDelivery, WebhookPost

_BASE = "/api/v3"
_PUSHED = "/pushed"
_TOKEN_USER = "x-access-token"

# Tells this server of what came by git, which has no other way to know.
_POST_RECEIVE = """#!{python}
import os, sys, urllib.request
request = urllib.request.Request({url!r}, sys.stdin.buffer.read(), {{"X-Pusher": os.environ["REMOTE_USER"]}})
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=20).close()
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of the next request that fits, instead of a right answer.

    An Answer is given without doing anything; "lose" does what was asked and drops the connection; "hang" does nothing
    and answers nothing until the server closes.
    """

    how: Answer | Literal["lose", "hang"]
    method: str | None = None
    path_ending: str = ""

    def fits(self, method: str, path: str) -> bool:
        """Which GitHub it is goes wrong only where a test says so."""
        is_meant = path != "/meta" or self.path_ending == "/meta"
        return is_meant and self.method in {None, method} and path.endswith(self.path_ending)


class GitHubServer:
    """A running GitHub with one repository; what people do needs no token: anyone may be named in `by`."""

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        self.accounts = dict(accounts)
        self.exchanges: list[Exchange] = []
        self.repository: BareRepository = git.create(full_name)
        self._git = git
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self.most_at_once = 0
        self._at_once = 0
        self._closing = threading.Event()
        self.fault_taken = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _answering_for(self))
        self._bodies = Bodies(api_url=self.api_url, html_url=self._origin, full_name=full_name)
        self.limit = HourlyLimit()
        self._post = WebhookPost()
        self._pulls = PullRequests(self.repository, self._bodies.owner, self._tell)
        self._api = RestApi(self._pulls, self._bodies)
        self._hook_up()

    @property
    def api_url(self) -> str:
        return self._origin + _BASE

    @property
    def git_url(self) -> str:
        return self._git.url_of(self._bodies.full_name)

    @property
    def full_name(self) -> str:
        return self._bodies.full_name

    def send_webhooks_to(self, url: str, secret: str) -> None:
        """Send what happens from now on, and what is sent again, there."""
        self._post.hooks[FIRST_HOOK] = Webhook(url, secret)

    def wait_for_webhooks(self, count: int) -> list[WebhookDelivery]:
        """Every attempt so far, once there are `count`."""
        return self._post.wait_for(count)

    def send_webhook_again(self, delivery: WebhookDelivery) -> None:
        """Redeliver, under the same id."""
        self._post.send_again(delivery)

    def protect_main(self) -> None:
        """Let nobody but `admin` push to main; merges here still move it."""
        protect_main(self.repository)

    def push(self, branch: str, files: Mapping[str, str], *, by: str) -> str:
        """Commit on top of a branch, or of main where it is new; returns the commit."""
        before = self.repository.head(branch) or NOWHERE
        commit = self.repository.commit(branch, files)
        self._pulls.moved(PushEvent(branch, before, commit, by))
        return commit

    def delete_branch(self, branch: str, *, by: str) -> None:
        """Delete a branch, which closes what is open from it."""
        before = self.repository.head(branch) or NOWHERE
        self.repository.delete_branch(branch)
        self._pulls.moved(PushEvent(branch, before, NOWHERE, by))

    def open_from_fork(self, branch: str, files: Mapping[str, str], *, by: str) -> int:
        """Open a pull request into main from a branch of that name in somebody's fork."""
        scratch = f"scratch/{by}"
        commit = self.repository.commit(scratch, files)
        self.repository.delete_branch(scratch)
        self.repository.git("update-ref", f"refs/forks/{by}/{branch}", commit)
        return self._pulls.open(head=branch, base="main", title="From a fork", body=None, by=by, fork_of=by).number

    def merge(self, number: int, *, by: str, method: MergeMethod = "merge") -> str:
        """Merge a pull request; returns the commit on its base. Raises Rejected where GitHub would not."""
        return self._pulls.merge(number, by=by, method=method)

    def close(self, number: int, *, by: str) -> None:
        self._pulls.close(number, by=by)

    def retarget(self, number: int, base: str, *, by: str) -> None:
        """Give a pull request another base branch."""
        self._pulls.retarget(number, base, by=by)

    def notice(self, branch: str, before: str | None, *, by: str) -> None:
        """Draw the conclusions from a branch that was moved in the repository itself, as GitHub does a moment later."""
        self._pulls.moved(PushEvent(branch, before or NOWHERE, self.repository.head(branch) or NOWHERE, by))

    def shown(self, number: int) -> Pull:
        """A pull request as its page shows it."""
        return self._pulls.find(number)

    def every(self) -> list[Pull]:
        """Every pull request, newest first."""
        return self._pulls.every()

    def reopen(self, number: int, *, by: str) -> None:
        self._pulls.reopen(number, by=by)

    def review(self, number: int, state: str, *, by: str, association: str = "MEMBER") -> None:
        """Say APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED of the present head."""
        self._pulls.review(number, state, by=by, association=association)

    def approve(self, number: int, *, by: str, association: str = "MEMBER") -> None:
        self.review(number, "APPROVED", by=by, association=association)

    def enable_auto_merge(self, number: int, *, by: str) -> None:
        self._pulls.find(number).auto_merge_by = by

    def comments(self, number: int) -> list[tuple[str, str]]:
        """Who said what."""
        return [(one.by, one.text) for one in self._pulls.find(number).comments]

    def rename(self, full_name: str) -> None:
        """Give the repository another name; the former one redirects, as far as the REST API goes."""
        self._api.former_names.add(self._bodies.full_name)
        self._bodies.full_name = full_name

    def break_next(
        self, how: Answer | Literal["lose", "hang"], *, method: str | None = None, path_ending: str = ""
    ) -> None:
        """Answer the next request that fits otherwise than right; several wait for their turn."""
        self._faults.append(Fault(how, method, path_ending))

    def check_exchanges(self) -> None:
        """Fail where an exchange so far is not as GitHub's published description says, or none was.

        Without openapi-core, what uses this server is still tested; that exchanges are as described is then skipped,
        and said to be, by the tests of the server itself.
        """
        assert self.exchanges, "nothing was asked"
        if is_missing("openapi_core"):
            return
        found = problems(self.exchanges)
        assert not found, "\n".join(found)

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            if self._faults and self._faults[0].fits(method, path):
                self.fault_taken.set()
                return self._faults.popleft()
            return None

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count those who wait for an answer; `most_at_once` is the most there ever were."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def note_exchange(self, exchange: Exchange) -> int:
        """Keep it; returns how many there are."""
        with self._lock:
            self.exchanges.append(exchange)
            return len(self.exchanges)

    def answer(self, asked: Asked, token: str) -> Answer:
        """Answer one request of whoever holds the token."""
        logins = [login for login, theirs in self.accounts.items() if theirs == token]
        if not logins:
            return Answer(401, self._bodies.error(401, "Bad credentials", []))
        if not self.limit.take():
            message = "API rate limit exceeded for user ID 583231."
            return Answer(403, self._bodies.error(403, message, []))
        return self._api.answer(Asked(asked.method, asked.path, asked.query, asked.body, logins[0]))

    def note_push(self, lines: str, pusher: str) -> None:
        """Hear from git what was pushed: lines of `old new ref`."""
        by = next(iter(self.accounts)) if pusher == _TOKEN_USER else pusher
        for line in lines.splitlines():
            before, after, ref = line.split(" ", 2)
            if ref.startswith("refs/heads/"):
                self._pulls.moved(PushEvent(ref.removeprefix("refs/heads/"), before, after, by))

    def wait_for_close(self) -> None:
        self._closing.wait(60)

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def _tell(self, event: PullEvent | PushEvent) -> None:
        match event:
            case PullEvent():
                self._post.send("pull_request", self._api.pull_event(event))
            case PushEvent():
                self._post.send("push", self._bodies.push_event(event))

    def _hook_up(self) -> None:
        hook = self.repository.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_POST_RECEIVE.format(python=sys.executable, url=self._origin + _PUSHED))
        hook.chmod(0o755)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer and send until the block ends."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        thread.start()
        self._post.start()
        try:
            yield
        finally:
            self._closing.set()
            self._http.shutdown()
            thread.join()
            self._http.server_close()
            self._post.stop()


@contextmanager
def github_server(
    folder: Path, accounts: Mapping[str, str], *, full_name: str = "acme/fleet"
) -> Iterator[GitHubServer]:
    """Run a GitHub on loopback until the block ends, its repository empty and kept in `folder`.

    `accounts` maps logins to tokens; the first is the bot's. Git takes the same logins and tokens, the bot's also under
    the name x-access-token, and `admin` with the password root.
    """
    bot_token = next(iter(accounts.values()))
    with git_server(folder, {**accounts, _TOKEN_USER: bot_token, "admin": "root"}) as git:
        github = GitHubServer(git, accounts, full_name=full_name)
        with github.running():
            yield github


def _answering_for(github: GitHubServer) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the client's delayed ACK costs 40 ms a request

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if path == _PUSHED:
                github.note_push(body.decode(), self.headers["X-Pusher"])
                self._send(Answer(200, {}), 0)
                return
            path = path.removeprefix(_BASE)
            fault = github.take_fault(self.command, path)
            if fault and fault.how == "hang":
                github.wait_for_close()
                self.close_connection = True
                return
            is_made_up = fault is not None and isinstance(fault.how, Answer)
            token = self.headers.get("Authorization", "").partition(" ")[2]
            asked = Asked(self.command, path, query, body, "")
            with github.busy():
                answer = fault.how if fault and isinstance(fault.how, Answer) else github.answer(asked, token)
            count = self._note(asked, answer, is_ours=not is_made_up)
            if fault and fault.how == "lose":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(answer, count)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the base class looks for these names

        def _note(self, asked: Asked, answer: Answer, *, is_ours: bool) -> int:
            content_type = self.headers.get("Content-Type", "")
            return github.note_exchange(
                Exchange(
                    asked.method,
                    asked.path,
                    asked.query,
                    content_type,
                    asked.body,
                    answer.status,
                    answer.content(),
                    is_ours,
                )
            )

        def _send(self, answer: Answer, count: int) -> None:
            content = answer.content()
            usual = {
                **github.limit.headers(),
                "X-GitHub-Request-Id": f"F1:{count}",
                "X-GitHub-Media-Type": "github.v3; format=json",
                "X-GitHub-Enterprise-Version": ENTERPRISE_VERSION,
                "X-GitHub-Api-Version-Selected": self.headers.get("X-GitHub-Api-Version", "2022-11-28"),
                "Content-Type": "application/json; charset=utf-8",
                "Date": self.date_time_string(),
            }
            self.send_response_only(answer.status)
            for name, value in {**usual, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Keep quiet; `exchanges` tells what came."""

    return Answering
