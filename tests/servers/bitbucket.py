"""A Bitbucket Cloud on loopback with one repository: git, the REST API, webhooks, and the people who use it."""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers.bitbucket_api import RestApi
from tests.servers.bitbucket_bodies import Bodies
from tests.servers.forge_server import Fault, ForgeServer
from tests.servers.forge_webhooks import Webhook, WebhookDelivery
from tests.servers.git_http import GitServer, git_server
from tests.servers.pulls import PullEvent, PushEvent
from tests.servers.rest_answers import Answer, Asked

_KEYS = {"opened": "pullrequest:created", "synchronize": "pullrequest:push", "edited": "pullrequest:updated"}
_HOOK = "fc821f40-bf66-46bd-acc6-2c43015d1a89"


class BitbucketServer(ForgeServer):
    """A running Bitbucket Cloud."""

    base_path = "/2.0"
    token_user = "x-token-auth"

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        super().__init__(git, accounts, full_name=full_name)
        self.bodies = Bodies(api_url=self.api_url, html_url=self.origin, full_name=full_name)
        self.api = RestApi(self._pulls, self.bodies)

    def ask_to_review(self, number: int, *names: str) -> None:
        """Add reviewers."""
        self.bodies.reviewers.setdefault(number, []).extend(names)
        self._pulls.touch(self.shown(number))

    def fits(self, fault: Fault, method: str, path: str) -> bool:
        """What it is and whose the token is goes wrong only where a test says so."""
        places = ("/user", f"/repositories/{self.full_name}")
        is_meant = path not in places or (bool(fault.path_ending) and path.endswith(fault.path_ending))
        return is_meant and super().fits(fault, method, path)

    def token_of(self, headers: Mapping[str, str]) -> str:
        """An access token as Bearer, or an API token as the password of a person."""
        scheme, _, told = headers.get("Authorization", "").partition(" ")
        return base64.b64decode(told).decode().partition(":")[2] if scheme == "Basic" else told

    def answer_api(self, asked: Asked) -> Answer:
        return self.api.answer(asked)

    def unknown_token(self) -> Answer:
        """What Bitbucket says of a token that it does not know."""
        return Answer(401, self.bodies.error("Token is invalid, expired, or not supported for this endpoint."))

    def tell(self, event: PullEvent | PushEvent) -> None:
        """Send what happened to a pull request or a branch."""
        match event:
            case PullEvent():
                ended = "pullrequest:fulfilled" if event.pull.merged_at else "pullrequest:rejected"
                body = self.bodies.pull_event(event, self.api.listed(event.pull))
                self._post.send(_KEYS.get(event.action, ended), body)
            case PushEvent():
                self._post.send("repo:push", self.bodies.push_event(event))

    def webhook_headers(self, hook: Webhook, delivery: WebhookDelivery) -> Mapping[str, str]:
        """What Bitbucket sends beside the body, which it signs."""
        signature = hmac.new(hook.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        return {
            "User-Agent": "Bitbucket-Webhooks/2.0",
            "X-Event-Key": delivery.event,
            "X-Hook-UUID": _HOOK,
            "X-Request-UUID": delivery.id,
            "X-Attempt-Number": "2" if delivery.is_again else "1",
            "X-Hub-Signature": f"sha256={signature}",
        }


@contextmanager
def bitbucket_server(
    folder: Path, accounts: Mapping[str, str], *, full_name: str = "acme/fleet"
) -> Iterator[BitbucketServer]:
    """Run a Bitbucket Cloud on loopback until the block ends, its repository empty and kept in `folder`.

    `accounts` maps logins to tokens; the first is the bot's, which git takes under the names for tokens.
    """
    token = next(iter(accounts.values()))
    users = {**accounts, BitbucketServer.token_user: token, "x-bitbucket-api-token-auth": token}
    with git_server(folder, users) as git:
        bitbucket = BitbucketServer(git, accounts, full_name=full_name)
        with bitbucket.running():
            yield bitbucket
