"""A Bitbucket Data Center on loopback with one repository: git, the REST API, webhooks, and the people who use it."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers.bitbucket_dc_api import RestApi
from tests.servers.bitbucket_dc_bodies import Bodies
from tests.servers.forge_server import Fault, ForgeServer
from tests.servers.forge_webhooks import Webhook, WebhookDelivery
from tests.servers.git_http import GitServer, git_server
from tests.servers.pulls import PullEvent, PushEvent
from tests.servers.rest_answers import Answer, Asked

_KEYS = {
    "opened": "pr:opened",
    "synchronize": "pr:from_ref_updated",
    "edited": "pr:modified",
    "reopened": "pr:reopened",
}


class BitbucketDCServer(ForgeServer):
    """A running Bitbucket; git takes tokens as Bearer only."""

    base_path = "/rest/api/1.0"
    token_user = ""

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        super().__init__(git, accounts, full_name=full_name)
        self.bodies = Bodies(html_url=self.origin, full_name=full_name)
        self.api = RestApi(self._pulls, self.bodies)

    def ask_to_review(self, number: int, *names: str) -> None:
        """Add reviewers."""
        self.bodies.reviewers.setdefault(number, []).extend(names)
        self._pulls.touch(self.shown(number))

    def fits(self, fault: Fault, method: str, path: str) -> bool:
        """What it is and whose the token is goes wrong only where a test says so."""
        place = "/application-properties"
        return (path != place or fault.path_ending == place) and super().fits(fault, method, path)

    def answer_api(self, asked: Asked) -> Answer:
        return self.api.answer(asked)

    def unknown_token(self) -> Answer:
        """What Bitbucket says of a token that it does not know."""
        message = "Authentication failed. Please check your credentials and try again."
        return Answer(401, self.bodies.errors(message, "auth.IncorrectPasswordAuthenticationException"))

    def usual_headers(self, count: int, asked: Mapping[str, str]) -> Mapping[str, str]:
        """Who asked, which only these tell."""
        token = self.token_of(asked)
        login = next((login for login, theirs in self.accounts.items() if theirs == token), None)
        known = {"X-AUSERID": "9", "X-AUSERNAME": login} if login else {}
        return {"X-AREQUESTID": f"@1XYZ{count}", "X-ASEN": "SEN-L1", **known}

    def tell(self, event: PullEvent | PushEvent) -> None:
        """Send what happened to a pull request or a branch."""
        match event:
            case PullEvent():
                ended = "pr:merged" if event.pull.merged_at else "pr:declined"
                key = _KEYS.get(event.action, ended)
                self._post.send(key, self.bodies.pull_event(event, key, self.api.pull_body(event.pull)))
            case PushEvent():
                self._post.send("repo:refs_changed", self.bodies.push_event(event))

    def webhook_headers(self, hook: Webhook, delivery: WebhookDelivery) -> Mapping[str, str]:
        """What Bitbucket sends beside the body, which it signs."""
        signature = hmac.new(hook.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        return {
            "User-Agent": "Atlassian HttpClient 4.2.0 / Bitbucket-9.4.2 (9004002) / Default",
            "Content-Type": "application/json; charset=UTF-8",
            "X-Event-Key": delivery.event,
            "X-Request-Id": delivery.id,
            "X-Hub-Signature": f"sha256={signature}",
        }


@contextmanager
def bitbucket_dc_server(
    folder: Path, accounts: Mapping[str, str], *, full_name: str = "ACME/fleet"
) -> Iterator[BitbucketDCServer]:
    """Run a Bitbucket on loopback until the block ends, its repository empty and kept in `folder`.

    `accounts` maps logins to tokens; the first is the bot's. Git takes the same tokens, as Bearer only.
    """
    with git_server(folder, {}) as git:
        git.bearers.update({token: login for login, token in accounts.items()})
        bitbucket = BitbucketDCServer(git, accounts, full_name=full_name)
        with bitbucket.running():
            yield bitbucket
