"""A real Gitea or Forgejo, of which two accounts are told by the environment: a repository there, and its people.

The first account is ours; the second is called `alice`, owns the repository and does what people do.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from app.clients.forges.gitea.forge import Gitea
from app.clients.tls import trusting
from tests.faults.waiting import until
from tests.servers.bare_repository import BareRepository

URL_NAME, TOKEN_NAME, ALICES_TOKEN_NAME = (
    "FLUXBRIDGE_TEST_GITEA_URL",
    "FLUXBRIDGE_TEST_GITEA_TOKEN",
    "FLUXBRIDGE_TEST_GITEA_TOKEN_OF_ALICE",
)
ALICE = "alice"


class Unhurried(Gitea):
    """Changes nothing in the second of another change: in seconds Gitea counts what changed last."""

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        wait_for_another_second()
        super().edit_pull_request(number, title=title, body=body, version=version)

    def comment(self, number: int, text: str) -> None:
        wait_for_another_second()
        super().comment(number, text)


def wait_for_another_second() -> None:
    """Let the clock go on by one."""
    began = int(time.time())
    until("another second", lambda: int(time.time()) > began)


@dataclass(slots=True)
class RealGitea:
    """The repository, and the forge as the first account."""

    forge: Gitea
    alice: httpx.Client
    place: str
    git_url: str
    clone: BareRepository

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        self.clone.git("fetch", "--quiet", "--prune", self.git_url, "+refs/heads/*:refs/heads/*")
        commit = self.clone.commit(branch, files)
        self.clone.git("push", "--quiet", self.git_url, f"refs/heads/{branch}")
        return commit

    def head(self, branch: str) -> str | None:
        found = self.clone.git("ls-remote", self.git_url, f"refs/heads/{branch}").decode()
        return found.partition("\t")[0] or None

    def delete_branch(self, branch: str) -> None:
        self.clone.git("push", "--quiet", self.git_url, f":refs/heads/{branch}")

    def merge_as(self, account: str, number: int, method: str = "merge") -> None:
        assert account == ALICE
        wait_for_another_second()
        # Gitea says no while it is still looking whether it fits.
        until("the merge", lambda: self._ask("POST", f"/pulls/{number}/merge", {"Do": method}).is_success)

    def close_as(self, account: str, number: int) -> None:
        self._set_state(account, number, "closed")

    def reopen_as(self, account: str, number: int) -> None:
        self._set_state(account, number, "open")

    def comment_as(self, account: str, number: int, text: str) -> None:
        assert account == ALICE
        self._ask("POST", f"/issues/{number}/comments", {"body": text})

    def approve(self, number: int) -> None:
        """Approve what is there as alice."""
        self._ask("POST", f"/pulls/{number}/reviews", {"event": "APPROVED", "body": "fine"}).raise_for_status()

    def _set_state(self, account: str, number: int, state: str) -> None:
        assert account == ALICE
        wait_for_another_second()
        self._ask("PATCH", f"/pulls/{number}", {"state": state}).raise_for_status()

    def _ask(self, method: str, rest: str, body: Mapping[str, object]) -> httpx.Response:
        return self.alice.request(method, self.place + rest, json=body)


@contextmanager
def real_gitea(folder: Path) -> Iterator[RealGitea]:
    """Make a repository with a protected main that holds `app.yaml`, and delete it at the end."""
    url, token, alices = (os.environ[name].rstrip("/") for name in (URL_NAME, TOKEN_NAME, ALICES_TOKEN_NAME))
    headers = {"Authorization": f"token {alices}"}
    with httpx.Client(
        base_url=f"{url}/api/v1", headers=headers, verify=trusting(), trust_env=False, timeout=30
    ) as alice:
        name = f"fluxbridge-test-{uuid4().hex[:12]}"
        _made(alice, "/user/repos", {"name": name, "default_branch": "main", "private": True})
        place = f"/repos/{ALICE}/{name}"
        try:
            forge = Unhurried(f"{ALICE}/{name}", token=lambda: token, base_url=f"{url}/api/v1")
            real = RealGitea(forge, alice, place, _git_url(url, alices, name), BareRepository.create(folder / "clone"))
            _set_up(real, token, url)
            yield real
        finally:
            alice.delete(place)


def _set_up(real: RealGitea, token: str, url: str) -> None:
    bot = httpx.get(
        f"{url}/api/v1/user", headers={"Authorization": f"token {token}"}, verify=trusting(), trust_env=False
    ).raise_for_status()
    login = quote(bot.json()["login"], safe="")
    real._ask("PUT", f"/collaborators/{login}", {"permission": "write"}).raise_for_status()
    real.clone.commit("main", {"app.yaml": "tag: 1.0.0\n"})
    real.clone.git("push", "--quiet", real.git_url, "refs/heads/main")
    # Until it has seen the push, Gitea has no pull requests there.
    until("a repository with a branch", lambda: not real.alice.get(real.place).json()["empty"])
    ways = ("merge_commits", "squash_merge", "rebase", "rebase_explicit", "fast_forward_only_merge")
    real._ask("PATCH", "", {f"allow_{way}": True for way in ways}).raise_for_status()
    protection = {"enable_push": True, "enable_push_whitelist": True, "push_whitelist_usernames": [ALICE]}
    _made(real.alice, f"{real.place}/branch_protections", {"rule_name": "main", **protection})
    hook = {"url": "https://fluxbridge.example/webhooks/gitea", "content_type": "json", "secret": "a-secret-of-tests"}
    events = ["push", "pull_request", "pull_request_review"]
    _made(real.alice, f"{real.place}/hooks", {"type": "gitea", "active": False, "config": hook, "events": events})


def _made(alice: httpx.Client, path: str, body: Mapping[str, Any]) -> None:
    alice.post(path, json=body).raise_for_status()


def _git_url(url: str, token: str, name: str) -> str:
    told = urlsplit(url)
    return f"{told.scheme}://{ALICE}:{quote(token, safe='')}@{told.netloc}{told.path}/{ALICE}/{name}.git"
