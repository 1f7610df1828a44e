"""A GitHub on loopback with one repository: git, the REST API, webhooks, and the people who use it."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.parts import is_missing
from tests.servers.forge_server import Fault, ForgeServer
from tests.servers.forge_webhooks import Webhook, WebhookDelivery
from tests.servers.git_http import GitServer, git_server
from tests.servers.github_api import ENTERPRISE_VERSION, RestApi
from tests.servers.github_app import GitHubApp
from tests.servers.github_bodies import Bodies
from tests.servers.github_checks import problems
from tests.servers.github_limits import HourlyLimit
from tests.servers.pulls import PullEvent, PushEvent
from tests.servers.rest_answers import Answer, Asked


class GitHubServer(ForgeServer):
    """A running GitHub, Enterprise by its headers."""

    base_path = "/api/v3"
    token_user = "x-access-token"

    def __init__(self, git: GitServer, accounts: Mapping[str, str], *, full_name: str) -> None:
        super().__init__(git, accounts, full_name=full_name)
        self._bodies = Bodies(api_url=self.api_url, html_url=self.origin, full_name=full_name)
        self.limit = HourlyLimit()
        self._api = RestApi(self._pulls, self._bodies)
        self.app: GitHubApp | None = None
        self.token_ends: str | None = None

    def install(self, app: GitHubApp) -> None:
        """Let an App act here, whose tokens git takes as well."""
        self.app = app
        app.on_token = lambda token: self._git.users.update({self.token_user: token})

    def protect_main(self) -> None:
        """The same, as the API tells it."""
        super().protect_main()
        self._api.is_protected = True

    def demand(self, *checks: str) -> None:
        """Let nothing be merged into main before these checks."""
        self._api.checks = list(checks)

    def take_rights(self, *, may_push: bool = True, is_archived: bool = False) -> None:
        """Let the accounts do less."""
        self._api.may_push, self._api.is_archived = may_push, is_archived

    def rename(self, full_name: str) -> None:
        """Give the repository another name; the former one redirects, as far as the REST API goes."""
        self._api.former_names.add(self.full_name)
        self.full_name = self._bodies.full_name = full_name

    def fits(self, fault: Fault, method: str, path: str) -> bool:
        """Which GitHub it is goes wrong only where a test says so."""
        is_meant = path != "/meta" or fault.path_ending == "/meta"
        return is_meant and super().fits(fault, method, path)

    def answer(self, asked: Asked, token: str) -> Answer:
        """Answer one request: of an App that shows what it signed, of its installation, or of an account."""
        if self.app is None:
            return super().answer(asked, token)
        if (answer := self.app.answer(asked, token, self._bodies)) is not None:
            return answer
        if not self.app.knows(token):
            return super().answer(asked, token)
        if asked.path == "/user":
            return Answer(403, self._bodies.error(403, "Resource not accessible by integration", []))
        return self.answer_api(Asked(asked.method, asked.path, asked.query, asked.body, self.app.login))

    def answer_api(self, asked: Asked) -> Answer:
        """Answer, as far as the hour's limit lets it."""
        if not self.limit.take():
            message = "API rate limit exceeded for user ID 583231."
            return Answer(403, self._bodies.error(403, message, []))
        return self._api.answer(asked)

    def unknown_token(self) -> Answer:
        """What GitHub says of a token that it does not know."""
        return Answer(401, self._bodies.error(401, "Bad credentials", []))

    def usual_headers(self, count: int, asked: Mapping[str, str]) -> Mapping[str, str]:
        """What is left of the limit, and which GitHub it is."""
        return {
            **self.limit.headers(),
            "X-GitHub-Request-Id": f"F1:{count}",
            **({"GitHub-Authentication-Token-Expiration": self.token_ends} if self.token_ends else {}),
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Enterprise-Version": ENTERPRISE_VERSION,
            "X-GitHub-Api-Version-Selected": asked.get("X-GitHub-Api-Version", "2022-11-28"),
        }

    def tell(self, event: PullEvent | PushEvent) -> None:
        """Send what happened to a pull request or a branch."""
        match event:
            case PullEvent():
                self._post.send("pull_request", self._api.pull_event(event))
            case PushEvent():
                self._post.send("push", self._bodies.push_event(event))

    def webhook_headers(self, hook: Webhook, delivery: WebhookDelivery) -> Mapping[str, str]:
        """What GitHub sends beside the body, which it signs."""
        signature = hmac.new(hook.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        return {
            "User-Agent": "GitHub-Hookshot/8c2f1e0",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.id,
            "X-GitHub-Hook-ID": str(delivery.hook),
            "X-Hub-Signature-256": f"sha256={signature}",
        }

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


@contextmanager
def github_server(
    folder: Path, accounts: Mapping[str, str], *, full_name: str = "acme/fleet"
) -> Iterator[GitHubServer]:
    """Run a GitHub on loopback until the block ends, its repository empty and kept in `folder`.

    `accounts` maps logins to tokens; the first is the bot's. Git takes the same logins and tokens, the bot's also under
    the name x-access-token, and `admin` with the password root.
    """
    bot_token = next(iter(accounts.values()))
    users = {**accounts, GitHubServer.token_user: bot_token, "admin": "root"}
    with git_server(folder, users) as git:
        github = GitHubServer(git, accounts, full_name=full_name)
        with github.running():
            yield github
