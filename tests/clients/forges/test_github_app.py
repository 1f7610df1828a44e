"""A GitHub App: it finds its installation, and has a token that is renewed, narrowed and never shown."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.compose.config_repos import compose_config_repo
from app.compose.forges import compose_forge
from app.compose.machine import utc_now
from app.core.errors import Refused
from app.core.ports import BranchUpdate, CommitDraft, PushOutcome
from app.settings.config_repos import ConfigRepo
from app.settings.models import Settings
from tests.clients.forges.forge_contract import HEAD, ForgeContract, opened
from tests.clients.forges.github_worlds import GitHubWorld
from tests.clients.forges.served_worlds import MIRA
from tests.servers.github import github_server
from tests.servers.github_app import GitHubApp

SLUG, CLIENT_ID = "acme-fluxbridge", "Iv23liAcmeFluxbridge"


class Clock:
    """The server's clock; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, slots=True)
class AppWorld(GitHubWorld):
    """A GitHub where Fluxbridge is an App."""

    app: GitHubApp
    clock: Clock
    settings: ConfigRepo

    def git_login(self) -> tuple[str, str]:
        """What git is given."""
        login = compose_forge("fleet", self.settings).git_login
        assert login is not None
        return login()


@pytest.fixture
def forge_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppWorld]:
    clock = Clock()
    app = GitHubApp(SLUG, CLIENT_ID, now=clock)
    with github_server(tmp_path, {MIRA: "ghp_mira"}) as server:
        server.install(app)
        server.push("main", {"app.yaml": "tag: 1.0.0\n"}, by=MIRA)
        monkeypatch.setenv("APP_KEY", app.private_key)
        its = {"id": CLIENT_ID, "private_key": {"env": "APP_KEY"}}
        forge = {"kind": "github", "repository": "acme/fleet", "app": its, "api_url": server.api_url, "paced": False}
        settings = ConfigRepo.model_validate({"url": server.git_url, "branch": "main", "forge": forge})
        composed = compose_forge("fleet", settings)
        yield AppWorld(server, composed.forge, app, clock, settings)
        if server.exchanges:
            server.check_exchanges()


class TestGitHubApp(ForgeContract):
    """All that a forge promises."""


def token_requests(world: AppWorld) -> int:
    return sum(one.path.endswith("/access_tokens") for one in world.server.exchanges)


def test_it_acts_as_its_bot_and_takes_one_token_for_all_that_it_asks(forge_world: AppWorld) -> None:
    pull = opened(forge_world)
    assert (forge_world.forge.account(), pull.author) == (f"{SLUG}[bot]", f"{SLUG}[bot]")
    assert token_requests(forge_world) == 1


def test_a_token_is_renewed_before_it_ends(forge_world: AppWorld) -> None:
    forge_world.app.life = timedelta(minutes=4)  # within the margin, so each is renewed at its next use
    number = opened(forge_world).number
    before = token_requests(forge_world)
    forge_world.forge.pull_request(number)
    assert token_requests(forge_world) > before


def test_one_that_was_revoked_is_refused_once_and_then_replaced(forge_world: AppWorld) -> None:
    number = opened(forge_world).number
    forge_world.app.revoke_all()
    with pytest.raises(Refused, match="was not accepted"):
        forge_world.forge.pull_request(number)
    assert forge_world.forge.pull_request(number).number == number
    assert token_requests(forge_world) == 2


def test_git_has_a_token_of_the_same_installation(forge_world: AppWorld) -> None:
    user, token = forge_world.git_login()
    assert (user, forge_world.app.knows(token)) == ("x-access-token", True)


def test_git_pushes_with_it(forge_world: AppWorld, tmp_path: Path) -> None:
    repos = {"fleet": forge_world.settings}
    settings = Settings.model_validate({"data_dir": str(tmp_path / "data"), "config_repos": repos})
    repository = compose_config_repo("fleet", settings).repository
    base = repository.fetch()["main"]
    draft = CommitDraft(parent=base, files={"app.yaml": b"tag: 1.2.0\n"}, message="web 1.2.0", at=utc_now())
    commit = repository.write_commit(draft)
    results = repository.push([BranchUpdate(HEAD, commit, None)])
    assert (results[HEAD].outcome, forge_world.head(HEAD)) == (PushOutcome.DONE, commit)


def test_one_that_only_observes_asks_for_no_right_to_write(forge_world: AppWorld) -> None:
    forge_world.app.permissions = {"contents": "read", "metadata": "read", "pull_requests": "read"}
    observing = forge_world.settings.model_copy(update={"mode": "observe"})
    assert compose_forge("fleet", observing).forge.open_pull_requests(prefix="fluxbridge") == []


def test_many_who_need_a_token_at_once_get_one(forge_world: AppWorld) -> None:
    login = compose_forge("fleet", forge_world.settings).git_login
    assert login is not None
    ready = threading.Barrier(8)

    def take() -> str:
        ready.wait()
        return login()[1]

    with ThreadPoolExecutor(8) as pool:
        assert len({each.result() for each in [pool.submit(take) for _ in range(8)]}) == 1
    assert token_requests(forge_world) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_installed": False}, "the GitHub App is not installed there"),
        ({"is_suspended": True}, "installation is suspended"),
        ({"permissions": {"contents": "read"}}, "Metadata: read, Contents: write, Pull requests: write"),
        ({"app_id": "another"}, "the token for acme/fleet on GitHub was not accepted"),
    ],
)
def test_what_keeps_an_app_out_is_told(forge_world: AppWorld, change: dict[str, object], words: str) -> None:
    for name, value in change.items():
        setattr(forge_world.app, name, value)
    with pytest.raises(Refused, match=words):
        forge_world.forge.open_pull_requests(prefix="fluxbridge")


@pytest.mark.parametrize("key", ["no key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"])
def test_a_key_that_is_none_is_told_and_not_shown(
    forge_world: AppWorld, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("APP_KEY", key)
    with pytest.raises(Refused, match=r"no RSA key as PEM.*forge\.app\.private_key") as raised:
        forge_world.forge.open_pull_requests(prefix="fluxbridge")
    assert "AAAA" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_the_token_is_in_no_repr(forge_world: AppWorld) -> None:
    _, token = forge_world.git_login()
    assert token not in repr(forge_world.forge.__dict__)


def test_the_clock_of_the_server_may_be_a_minute_behind(forge_world: AppWorld) -> None:
    forge_world.clock.ahead = -timedelta(seconds=50)
    assert forge_world.forge.open_pull_requests(prefix="fluxbridge") == []
    assert utc_now() > forge_world.clock()
