"""A forge on loopback with one repository: git, its API, its webhooks, and the people who use it."""

import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Literal

from tests.servers.bare_repository import BareRepository
from tests.servers.forge_webhooks import FIRST_HOOK, Webhook, WebhookDelivery, WebhookPost
from tests.servers.git_http import GitServer, protect_main
from tests.servers.pulls import NOWHERE, MergeMethod, Pull, PullEvent, PullRequests, PushEvent
from tests.servers.rest_answers import Answer, Asked

_PUSHED = "/pushed"

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
        """Whether it is for this request."""
        return self.method in {None, method} and path.endswith(self.path_ending)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as they went over the wire, without the token.

    `path` lies below the API's base URL. `is_ours` is False for an answer that a test made up.
    """

    method: str
    path: str
    query: str
    content_type: str
    sent: bytes
    status: int
    received: bytes
    is_ours: bool = True


class ForgeServer(ABC):
    """A running forge with one repository; what people do needs no token: anyone may be named in `by`.

    A kind of forge says where its API is and how it answers, tells of events, signs, and knows a token.
    """

    base_path: ClassVar[str]
    """Where its API begins, such as `/api/v3`."""
    token_user: ClassVar[str]
    """The user under which git takes the first account's token."""

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        self.accounts = dict(accounts)
        self.full_name = full_name
        self.exchanges: list[Exchange] = []
        self.repository: BareRepository = git.create(full_name)
        self._git, self._git_url = git, git.url_of(full_name)
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self.most_at_once = 0
        self._at_once = 0
        self._closing = threading.Event()
        self.fault_taken = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _answering_for(self))
        self._post = WebhookPost(self.webhook_headers)
        self._pulls = PullRequests(self.repository, full_name.rpartition("/")[0], self.tell)
        self._hook_up()

    @abstractmethod
    def answer_api(self, asked: Asked) -> Answer:
        """Do what was asked by somebody whose token is known, or say no."""

    @abstractmethod
    def unknown_token(self) -> Answer:
        """The answer to somebody whose token is not known."""

    @abstractmethod
    def tell(self, event: PullEvent | PushEvent) -> None:
        """Send its webhook for what happened, by `_post`."""

    @abstractmethod
    def webhook_headers(self, hook: Webhook, delivery: WebhookDelivery) -> Mapping[str, str]:
        """What a webhook carries beside its body: the event, its id, the proof."""

    def token_of(self, headers: Mapping[str, str]) -> str:
        """The token that a request shows; by default the second word of Authorization."""
        return headers.get("Authorization", "").partition(" ")[2]

    def usual_headers(self, count: int, asked: Mapping[str, str]) -> Mapping[str, str]:
        """What every answer carries; `count` is how many there were, `asked` are the headers of the request."""
        del count, asked
        return {}

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def api_url(self) -> str:
        """Where its API is."""
        return self.origin + self.base_path

    @property
    def git_url(self) -> str:
        """Where git finds the repository."""
        return self._git_url

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
        """Merge a pull request; returns the commit on its base. Raises Declined where it cannot be."""
        return self._pulls.merge(number, by=by, method=method)

    def close(self, number: int, *, by: str) -> None:
        """Close a pull request."""
        self._pulls.close(number, by=by)

    def reopen(self, number: int, *, by: str) -> None:
        """Reopen a pull request."""
        self._pulls.reopen(number, by=by)

    def comment(self, number: int, text: str, *, by: str) -> None:
        """Say something in a pull request."""
        self._pulls.comment(number, text, by=by)

    def retarget(self, number: int, base: str, *, by: str) -> None:
        """Give a pull request another base branch."""
        self._pulls.retarget(number, base, by=by)

    def notice(self, branch: str, before: str | None, *, by: str) -> None:
        """Draw the conclusions from a branch that was moved in the repository itself, as forges do a moment later."""
        self._pulls.moved(PushEvent(branch, before or NOWHERE, self.repository.head(branch) or NOWHERE, by))

    def review(self, number: int, state: str, *, by: str, association: str = "MEMBER") -> None:
        """Say APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED of the present head."""
        self._pulls.review(number, state, by=by, association=association)

    def approve(self, number: int, *, by: str, association: str = "MEMBER") -> None:
        """Approve the present head."""
        self.review(number, "APPROVED", by=by, association=association)

    def enable_auto_merge(self, number: int, *, by: str) -> None:
        """Have it merged once its checks pass."""
        self._pulls.find(number).auto_merge_by = by

    def shown(self, number: int) -> Pull:
        """A pull request as its page shows it."""
        return self._pulls.find(number)

    def every(self) -> list[Pull]:
        """Every pull request, newest first."""
        return self._pulls.every()

    def comments(self, number: int) -> list[tuple[str, str]]:
        """Who said what."""
        return [(one.by, one.text) for one in self._pulls.find(number).comments]

    def break_next(
        self, how: Answer | Literal["lose", "hang"], *, method: str | None = None, path_ending: str = ""
    ) -> None:
        """Answer the next request that fits otherwise than right; several wait for their turn."""
        self._faults.append(Fault(how, method, path_ending))

    def fits(self, fault: Fault, method: str, path: str) -> bool:
        """Whether a fault is for this request."""
        return fault.fits(method, path)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault that is for this request, which is then over."""
        with self._lock:
            if self._faults and self.fits(self._faults[0], method, path):
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
            return self.unknown_token()
        return self.answer_api(Asked(asked.method, asked.path, asked.query, asked.body, logins[0]))

    def note_push(self, lines: str, pusher: str) -> None:
        """Hear from git what was pushed: lines of `old new ref`."""
        by = next(iter(self.accounts)) if pusher == self.token_user else pusher
        for line in lines.splitlines():
            before, after, ref = line.split(" ", 2)
            if ref.startswith("refs/heads/"):
                self._pulls.moved(PushEvent(ref.removeprefix("refs/heads/"), before, after, by))

    def wait_for_close(self) -> None:
        """Answer nothing until the server closes."""
        self._closing.wait(60)

    def _hook_up(self) -> None:
        hook = self.repository.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_POST_RECEIVE.format(python=sys.executable, url=self.origin + _PUSHED))
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


def _answering_for(forge: ForgeServer) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the client's delayed ACK costs 40 ms a request

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if path == _PUSHED:
                forge.note_push(body.decode(), self.headers["X-Pusher"])
                self._send(Answer(200, {}), 0)
                return
            path = path.removeprefix(forge.base_path)
            fault = forge.take_fault(self.command, path)
            if fault and fault.how == "hang":
                forge.wait_for_close()
                self.close_connection = True
                return
            is_made_up = fault is not None and isinstance(fault.how, Answer)
            asked = Asked(self.command, path, query, body, "")
            token = forge.token_of(dict(self.headers))
            with forge.busy():
                answer = fault.how if fault and isinstance(fault.how, Answer) else forge.answer(asked, token)
            count = self._note(asked, answer, is_ours=not is_made_up)
            if fault and fault.how == "lose":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(answer, count)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class looks for these names

        def _note(self, asked: Asked, answer: Answer, *, is_ours: bool) -> int:
            content_type = self.headers.get("Content-Type", "")
            return forge.note_exchange(
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
                **forge.usual_headers(count, dict(self.headers)),
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
