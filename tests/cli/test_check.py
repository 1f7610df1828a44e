"""`fluxbridge check` tells what is right and what is wrong, one line each."""

import fcntl
import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.demo.registry import DemoRegistry
from tests.cli.console import Console
from tests.end_to_end.bridge import Bridge, fleet
from tests.servers.bare_repository import BareRepository
from tests.servers.issuer import Issuer, OddAnswer
from tests.servers.jenkins import JenkinsServer
from tests.servers.ports import free_port
from tests.servers.scripted_http import Answer, Asked, answering


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A config repository and a registry, and the settings that name them."""

    folder: Path
    config: BareRepository
    registry: DemoRegistry
    console: Console

    def check(
        self, *, more: str = "", branch: str = "main", registry: str | None = None, auth: str = ""
    ) -> tuple[int, list[str]]:
        """Check settings that differ from the right ones only in what is given."""
        host = registry or self.registry.host
        settings = self.folder / "fluxbridge.yaml"
        settings.write_text(
            f'registries: {{acme: {{host: "{host}", aliases: [registry.acme.example], plain_http: true{auth}}}}}\n'
            f"config_repos: {{fleet: {{url: ./fleet.git, branch: {branch}, forge: {{kind: local}}}}}}\n{more}"
        )
        self.console.use(settings)
        ended = self.console.run("check")
        return ended.code, ended.out.splitlines()


@pytest.fixture
def around(tmp_path: Path, console: Console) -> Iterator[Surroundings]:
    """Surroundings with nothing wrong."""
    with DemoRegistry() as registry:
        config = BareRepository.create(tmp_path / "fleet.git")
        config.commit("main", fleet())
        yield Surroundings(tmp_path, config, registry, console)


def wrong(told: tuple[int, list[str]]) -> str:
    code, lines = told
    assert code == 1
    [line] = [line for line in lines if line.startswith("WRONG")]
    return line


def test_a_proof_that_the_kind_of_a_source_does_not_have_is_wrong_and_the_rest_is_checked(around: Surroundings) -> None:
    (around.folder / "secret").write_text("a-secret-that-is-long-enough")
    (around.folder / "secret").chmod(0o600)
    told = around.check(more="sources: {hub: {kind: distribution, registry: acme, hmac: {file: secret}}}\n")
    assert wrong(told).startswith("WRONG sources.hub: sources.hub.hmac is nothing that a distribution sends: write")
    assert any(line.startswith("ok    registries.acme") for line in told[1])


def test_a_setting_that_is_not_needed_any_more_is_told_below_the_settings(around: Surroundings) -> None:
    code, lines = around.check(more="sweeps: {webhooks: never}\n")
    assert (code, lines[0].startswith("ok    settings: ")) == (0, True)
    assert lines[1].endswith(
        ":3:10: sweeps.webhooks: is not needed any more: what a webhook that got lost told of is "
        "found by looking at branches and pull requests; delete it"
    )


def test_where_all_is_well_every_line_says_so(around: Surroundings) -> None:
    code, lines = around.check()
    assert code == 0
    assert all(line.startswith("ok ") for line in lines), lines
    assert f"ok    config_repos.fleet ({around.config.path}): main: 1 policies, 2 fields" in lines


def test_beside_a_running_server_the_database_is_that_server_s(told: Bridge, asking: Console) -> None:
    assert (
        f"ok    database ({told.folder / 'fluxbridge.db'}): open in the server at {told.url}" in asking.run("check").out
    )


def test_a_mistake_in_the_settings_is_told_with_its_place(around: Surroundings) -> None:
    (around.folder / "fluxbridge.yaml").write_text("data_dir: ./data\nlisten: {prot: 80}\n")
    around.console.use(around.folder / "fluxbridge.yaml")
    assert "fluxbridge.yaml:2:10: listen.prot: is not a setting" in around.console.refused(6, "check")


def test_settings_that_do_not_exist_are_told(tmp_path: Path, console: Console) -> None:
    console.use(tmp_path / "fluxbridge.yaml")
    assert "does not exist" in console.refused(6, "check")


def test_a_secret_that_is_not_there_is_told_by_its_place(around: Surroundings) -> None:
    more = "sources: {github: {kind: github, secret: {env: NOBODY_SETS_THIS}}}\n"
    assert "sources.github.secret: the environment variable NOBODY_SETS_THIS" in wrong(around.check(more=more))


def test_a_registry_that_does_not_answer_is_told(around: Surroundings, closed_port: int) -> None:
    assert f"registry 127.0.0.1:{closed_port}" in wrong(around.check(registry=f"127.0.0.1:{closed_port}"))


def test_a_jenkins_that_does_not_answer_is_told(around: Surroundings, closed_port: int) -> None:
    more = f'jenkins: {{main: {{url: "http://127.0.0.1:{closed_port}"}}}}\n'
    assert "jenkins.main" in wrong(around.check(more=more))


def test_the_keys_of_an_issuer_are_asked_for(around: Surroundings) -> None:
    with JenkinsServer() as jenkins, Issuer() as issuer:
        more = (
            f'jenkins: {{main: {{url: "{jenkins.url}"}}}}\n'
            "sources: {ci: {kind: jenkins, jenkins: main, oidc: {audience: a, plain_http: true, "
            f'alternative_issuer: true, issuer: "{issuer.url}"}}}}}}\n'
        )
        code, lines = around.check(more=more)
        assert (code, "ok    sources.ci.oidc: 1 key that tokens may be signed with" in lines) == (0, True), lines
        issuer.told_issuer = "https://ci.acme.example/oidc"
        assert wrong(around.check(more=more)).startswith(
            "WRONG sources.ci.oidc: What the issuer of tokens publishes cannot be used: issuer: it is "
            "'https://ci.acme.example/oidc', not the one of this source"
        )
        issuer.odd[issuer.discovery_path] = OddAnswer(404)
        assert wrong(around.check(more=more)) == (
            "WRONG sources.ci.oidc: the keys of tokens cannot be fetched: 127.0.0.1 answered 404; "
            "see that it runs there and can be reached from here, or correct sources.ci.oidc"
        )


def test_a_branch_that_is_not_there_is_told(around: Surroundings) -> None:
    assert "config_repos.fleet" in wrong(around.check(branch="release"))


def test_a_terminal_obeys_nothing_that_the_config_repository_says(around: Surroundings) -> None:
    around.config.commit("main", {".fluxbridge.yaml": 'stages: {staging: {paths: ["apps\\x9b2J"]}}\n'})
    told = "\n".join(around.check()[1])
    assert r"apps\x9b2J" in told
    assert "\x9b" not in told


def test_rules_that_stop_a_lane_are_told(around: Surroundings) -> None:
    around.config.commit("main", {".fluxbridge.yaml": "stages: {staging: {path: apps}}\n"})
    assert "fleet:main: .fluxbridge.yaml: " in wrong(around.check())


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param(
            {"apps/staging/other.yaml": 'image: x:1 # {"$imagepolicy": "flux-system:other"}\n'},
            "apps/staging/other.yaml:1: ",
            id="a marker of no policy",
        ),
        pytest.param(
            {"images/app.yaml": fleet()["images/app.yaml"].replace("registry.acme.example", "quay.acme.example")},
            "the registry of quay.acme.example/team/app is not among `registries`",
            id="a registry that is not configured",
        ),
    ],
)
def test_what_is_odd_in_a_config_repository_is_told(around: Surroundings, files: Mapping[str, str], said: str) -> None:
    around.config.commit("main", files)
    code, lines = around.check()
    assert code == 0
    assert said in "\n".join(lines)


def test_many_places_of_one_cause_are_told_once_and_with_all_each(around: Surroundings) -> None:
    marker = 'image: x:1 # {"$imagepolicy": "flux-system:NAME"}\n'
    files = {f"apps/staging/other-{number:02}.yaml": marker.replace("NAME", f"no{number}") for number in range(60)}
    around.config.commit("main", files)
    code, lines = around.check()
    told = lines[lines.index(f"ok    config_repos.fleet ({around.config.path}): main: 1 policies, 2 fields") + 1 :]
    assert code == 0
    assert told[0] == (
        "      60 times: the field names …, but no ImagePolicy of that name is in the repository (unknown_policy)"
    )
    assert told[1] == "          apps/staging/other-00.yaml:1: flux-system/no0"
    assert told[4] == "          and 57 more: --all shows them"
    everything = around.console.run("check", "--all").out
    assert "          apps/staging/other-59.yaml:1: flux-system/no59\n" in everything


def test_a_database_that_another_process_holds_is_told(around: Surroundings) -> None:
    lock = around.folder / "data" / "fluxbridge.sqlite3.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "belongs to another running process" in wrong(around.check())


def test_a_healthy_database_is_looked_through_without_a_server(around: Surroundings) -> None:
    around.check()
    ended = around.console.run("check", "--database")
    assert (ended.code, ended.out) == (0, "ok    database: all that must hold of it does\n")


def test_what_is_wrong_in_the_database_is_told_with_its_row(around: Surroundings) -> None:
    around.check()
    with sqlite3.connect(around.folder / "data" / "fluxbridge.sqlite3") as raw:
        raw.execute(
            "INSERT INTO lanes (key, repo, branch, wanted, fence, attempts, next_look_at, last_run_at) "
            "VALUES ('gone:main', 'gone', 'main', 1, 0, 0, 7, 5)"
        )
    raw.close()
    ended = around.console.run("check", "--database")
    assert ended.code == 1
    assert "WRONG lane gone:main: a run of it is wanted, but it is neither due nor running" in ended.out


@pytest.mark.usefixtures("told")
def test_a_running_server_looks_through_its_own_database(asking: Console) -> None:
    ended = asking.run("check", "--database")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "ok    database: all that must hold of it does"


@pytest.fixture
def closed_port() -> int:
    return free_port()


SOURCE = """\
sources:
  prod: {kind: flux, cluster: prod, config_repo: fleet, root: ROOT, secret: {file: ./flux-secret}}
"""


def test_a_cluster_is_told_by_what_its_root_reaches_and_which_flux_tells_of_success(around: Surroundings) -> None:
    secret(around)
    code, lines = around.check(more=SOURCE.replace("ROOT", "clusters/production"))
    assert code == 0
    at = lines.index("ok    sources.prod: main: 3 Kustomizations, which reach fields in 1 files")
    assert "notification-controller 1.8.0 to 1.8.3 sends no success: run 1.8.4 or later" in lines[at + 1]


def test_a_root_that_reaches_no_kustomization_is_wrong(around: Surroundings) -> None:
    secret(around)
    said = wrong(around.check(more=SOURCE.replace("ROOT", "clusters/prod")))
    assert "sources.prod: root 'clusters/prod' reaches no Kustomization of fleet" in said


DEPLOYER = """\
sources:
  deploy: {kind: jenkins, jenkins: main, role: deployer, cluster: prod, config_repo: fleet, root: ROOT,
           jobs: [deploy/prod], secret: {file: ./flux-secret}}
jenkins: {main: {url: "URL"}}
"""


def test_a_deployer_is_told_by_the_fields_below_its_root(around: Surroundings) -> None:
    secret(around)
    with JenkinsServer() as jenkins:
        settings = DEPLOYER.replace("URL", jenkins.url)
        code, lines = around.check(more=settings.replace("ROOT", "apps/production"))
        assert (code, "ok    sources.deploy: main: deploys fields in 1 files" in lines) == (0, True), lines
        said = wrong(around.check(more=settings.replace("ROOT", "apps/prod")))
    assert "sources.deploy: root 'apps/prod' of fleet has no field in any stage: write the folder that" in said


def secret(around: Surroundings) -> None:
    file = around.folder / "flux-secret"
    file.write_text("0123456789abcdef0123456789abcdef")
    file.chmod(0o600)


@pytest.mark.parametrize(
    ("password", "code", "told"),
    [
        pytest.param("right", 0, "answers, and takes the password of ci", id="basic"),
        pytest.param("wrong", 1, "it answered 401 for team/app; check user and password, or auth", id="wrong"),
    ],
)
def test_what_a_registry_was_shown_is_told(around: Surroundings, password: str, code: int, told: str) -> None:
    def registry(asked: Asked) -> Answer:
        if asked.headers.get("authorization") == f"Basic {b64encode(b'ci:right').decode()}":
            return Answer({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
        return Answer({"errors": []}, 401, {"WWW-Authenticate": 'Basic realm="x"'})

    (around.folder / "password").write_text(password)
    (around.folder / "password").chmod(0o600)
    with answering(registry) as running:
        login = ", auth: {basic: {user: ci, password: {file: password}}}"
        ended, lines = around.check(registry=running.host, auth=login)
    [line] = [line for line in lines if "registries.acme" in line]
    assert (ended, told in line) == (code, True), line
    assert "password of ci" in line or password not in line
