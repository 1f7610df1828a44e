"""A Gitea on loopback with one repository: git, the REST API, webhooks, and the people who use it."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers.forge_server import Fault, ForgeServer
from tests.servers.forge_webhooks import Webhook, WebhookDelivery
from tests.servers.git_http import GitServer, git_server
from tests.servers.gitea_api import GiteaApi, Settings
from tests.servers.gitea_bodies import Bodies
from tests.servers.pulls import PullEvent, PushEvent
from tests.servers.rest_answers import Answer, Asked

# What a pull request's event is called beside its group, and what Gitea's `action` says.
_TYPES = {"synchronize": ("pull_request_sync", "synchronized"), "edited": ("pull_request", "edited")}
_EVENTS = {"closed": "close", "reopened": "reopen", "opened": "pull_push", "synchronize": "pull_push"}


class GiteaServer(ForgeServer):
    """A running Gitea; as `Forgejo` by its version where `settings` say so."""

    base_path = "/api/v1"
    token_user = "fluxbridge"

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        super().__init__(git, accounts, full_name=full_name)
        self._pulls.takes_empty, self._pulls.sees_merges_by_git = True, False
        self._bodies = Bodies(origin=self.origin, full_name=full_name)
        self.settings = Settings()
        self.api = GiteaApi(self._pulls, self._bodies, self.settings)

    def rename(self, full_name: str) -> None:
        """Give the repository another name; the former one redirects, whatever is asked."""
        self.api.former_names.add(self.full_name)
        self.full_name = self._bodies.full_name = full_name

    def protect_main(self) -> None:
        """The same, as the API tells it."""
        super().protect_main()
        self.api.demanded = ["ci/jenkins"]

    def archive(self) -> None:
        """Let nothing be opened or said any more."""
        self._bodies.is_archived = True

    def turn_off_pull_requests(self) -> None:
        """Be a repository without pull requests."""
        self._bodies.has_pull_requests = False

    def fits(self, fault: Fault, method: str, path: str) -> bool:
        """What it is goes wrong only where a test says so."""
        is_meant = path != "/version" or fault.path_ending == "/version"
        return is_meant and super().fits(fault, method, path)

    def answer_api(self, asked: Asked) -> Answer:
        """Answer as Gitea does."""
        return self.api.answer(asked)

    def unknown_token(self) -> Answer:
        """What Gitea says of a token that it does not know."""
        return Answer(401, self._bodies.error("user does not exist [uid: 0, name: ]"))

    def tell(self, event: PullEvent | PushEvent) -> None:
        """Write it into the timeline, and send what happened to a pull request or a branch."""
        match event:
            case PullEvent():
                self._note(event)
                kind, action = _TYPES.get(event.action, ("pull_request", event.action))
                body = self.api.pull_body(event.pull)
                told = PullEvent(action, event.pull, event.by)
                self._post.send(kind, self._bodies.pull_event(told, body))
            case PushEvent():
                self._post.send("push", self._bodies.push_event(event))

    def _note(self, event: PullEvent) -> None:
        is_merge = event.action == "closed" and event.pull.merged_at is not None
        kind = "merge_pull" if is_merge else _EVENTS.get(event.action)
        if kind is not None:
            self.api.note(event.pull.number, kind, event.by, event.pull.updated_at)

    def webhook_headers(self, hook: Webhook, delivery: WebhookDelivery) -> Mapping[str, str]:
        """What Gitea sends beside the body, which it signs: the same under four names."""
        signature = hmac.new(hook.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        group = "pull_request" if delivery.event.startswith("pull_request") else delivery.event
        named = {"Delivery": delivery.id, "Event": group, "Event-Type": delivery.event}
        return {
            **{f"X-{who}-{name}": value for who in ("GitHub", "Gitea", "Gogs") for name, value in named.items()},
            "X-Gitea-Signature": signature,
            "X-Gogs-Signature": signature,
            "X-Hub-Signature-256": f"sha256={signature}",
            "User-Agent": "Go-http-client/1.1",
        }


@contextmanager
def gitea_server(folder: Path, accounts: Mapping[str, str], *, full_name: str = "acme/fleet") -> Iterator[GiteaServer]:
    """Run a Gitea on loopback until the block ends, its repository empty and kept in `folder`.

    `accounts` maps logins to tokens; the first is the bot's. Git takes the same logins and tokens, the bot's also under
    the name fluxbridge, and `admin` with the password root.
    """
    bot_token = next(iter(accounts.values()))
    users = {**accounts, GiteaServer.token_user: bot_token, "admin": "root"}
    with git_server(folder, users) as git:
        gitea = GiteaServer(git, accounts, full_name=full_name)
        with gitea.running():
            yield gitea
