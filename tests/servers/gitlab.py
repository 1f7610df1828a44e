"""A GitLab on loopback with one project: git, the REST API, webhooks, and the people who use it."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers.forge_server import Fault, ForgeServer
from tests.servers.forge_webhooks import Webhook, WebhookDelivery
from tests.servers.git_http import GitServer, git_server
from tests.servers.gitlab_api import RestApi
from tests.servers.gitlab_bodies import Bodies
from tests.servers.pulls import MergeMethod, PullEvent, PushEvent
from tests.servers.rest_answers import Answer, Asked

_SIGNING = "whsec_"


class GitLabServer(ForgeServer):
    """A running GitLab. `limits` are headers that it tells of its limits; by default none, as of one of your own."""

    base_path = "/api/v4"
    token_user = "oauth2"

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        super().__init__(git, accounts, full_name=full_name)
        self.limits: Mapping[str, str] = {}
        self._bodies = Bodies(origin=self.origin, full_name=full_name)
        self._api = RestApi(self._pulls, self._bodies)

    def rename(self, full_name: str) -> None:
        """Give the project another path; the former one redirects."""
        self._api.former_names.add(self.full_name)
        self.full_name = self._bodies.full_name = full_name

    def protect_main(self) -> None:
        """The same, as the API tells it."""
        super().protect_main()
        self._api.is_protected = True

    def end_token(self, day: str) -> None:
        """Let the bot's token end at the beginning of a day."""
        self._api.token_ends = day

    def archive(self) -> None:
        """Let nobody change anything any more."""
        self._bodies.is_archived = True

    def take_role(self) -> None:
        """Leave the bot with the role Reporter."""
        self._bodies.access_level = 20

    def take_scope(self) -> None:
        """Leave the bot's token with a scope that does not do."""
        self._api.lacks_scope = True

    def merge(self, number: int, *, by: str, method: MergeMethod = "merge") -> str:
        """Merge a merge request; returns the commit on its base."""
        self._bodies.methods[number] = method
        return super().merge(number, by=by, method=method)

    def fits(self, fault: Fault, method: str, path: str) -> bool:
        """Which GitLab it is goes wrong only where a test says so."""
        is_meant = path != "/metadata" or fault.path_ending == "/metadata"
        return is_meant and super().fits(fault, method, path)

    def answer_api(self, asked: Asked) -> Answer:
        """Answer as the REST API does."""
        return self._api.answer(asked)

    def unknown_token(self) -> Answer:
        """What GitLab says of a token that it does not know."""
        return Answer(401, {"message": "401 Unauthorized"})

    def usual_headers(self, count: int, asked: Mapping[str, str]) -> Mapping[str, str]:
        """What every answer carries."""
        del asked
        return {"X-Gitlab-Meta": f'{{"correlation_id":"01K{count}","version":"1"}}', **self.limits}

    def tell(self, event: PullEvent | PushEvent) -> None:
        """Send what happened to a merge request or a branch."""
        match event:
            case PullEvent():
                self._post.send("Merge Request Hook", self._bodies.pull_event(event))
            case PushEvent():
                self._post.send("Push Hook", self._bodies.push_event(event))

    def webhook_headers(self, hook: Webhook, delivery: WebhookDelivery) -> Mapping[str, str]:
        """What GitLab sends beside the body: a signature where it has a signing token, else the secret itself."""
        proof = {"X-Gitlab-Token": hook.secret}
        if hook.secret.startswith(_SIGNING):
            proof = signature_headers(hook.secret, delivery.id, delivery.body, at=int(time.time()))
        return {
            "User-Agent": "GitLab/18.9.0",
            "X-Gitlab-Event": delivery.event,
            "X-Gitlab-Event-UUID": delivery.id,
            "X-Gitlab-Instance": self.origin,
            "Idempotency-Key": delivery.id,
            **proof,
        }


def signature_headers(token: str, delivery_id: str, body: bytes, *, at: int) -> dict[str, str]:
    """The three headers of a signed webhook."""
    key = base64.b64decode(token.removeprefix(_SIGNING))
    signed = hmac.digest(key, f"{delivery_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


@contextmanager
def gitlab_server(
    folder: Path, accounts: Mapping[str, str], *, full_name: str = "acme/platform/fleet"
) -> Iterator[GitLabServer]:
    """Run a GitLab on loopback until the block ends, its project empty and kept in `folder`.

    `accounts` maps usernames to tokens; the first is the bot's. Git takes the same, the bot's also under the name
    oauth2, and `admin` with the password root.
    """
    bot_token = next(iter(accounts.values()))
    users = {**accounts, GitLabServer.token_user: bot_token, "admin": "root"}
    with git_server(folder, users) as git:
        gitlab = GitLabServer(git, accounts, full_name=full_name)
        with gitlab.running():
            yield gitlab
