"""A name that is nearly one: the command says which may have been meant, and ends with exit code 2."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cli.console import Console
from tests.clients.forges.github_worlds import BOT_TOKEN
from tests.end_to_end.bridge import ENVIRONMENT, Bridge, fleet, running_bridge


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    with running_bridge(tmp_path_factory.mktemp("names"), "sqlite", files=fleet()) as running:
        running.push_image("1.1.0")
        running.wait_for_pull("staging", "1.1.0")
        yield running


@pytest.fixture
def asking(bridge: Bridge, console: Console) -> Console:
    console.use(bridge.folder / "fluxbridge.yaml", ENVIRONMENT)
    return console


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        pytest.param(["stages", "--stage", "stagign"], "staging", id="stage"),
        pytest.param(["stages", "--policy", "ap"], "images:flux-system/app", id="policy"),
        pytest.param(
            ["promotions", "--image", "registry.acme.example/taem/app"], "registry.acme.example/team/app", id="i"
        ),
        pytest.param(["promotions", "--repo", "flete"], "fleet", id="repo"),
        pytest.param(["plan", "--repo", "flete"], "fleet", id="lane by repo"),
        pytest.param(["plan", "--branch", "mian"], "main", id="lane by branch"),
        pytest.param(["sweep", "tgas"], "tags", id="sweep"),
        pytest.param(["sweep", "accept", "pull_request"], "pull_requests", id="sweep accept"),
        pytest.param(["explain", "flux-system/ap"], "flux-system/app", id="explain"),
        pytest.param(["explain", "fluxsystem/app"], "flux-system/app", id="explain a namespace"),
        pytest.param(["pulls", "list", "--repo", "flet"], "fleet", id="local forge"),
    ],
)
def test_what_a_command_is_given_is_compared_with_what_there_is(
    asking: Console, arguments: Sequence[str], meant: str
) -> None:
    assert f"did you mean '{meant}'?" in asking.refused(2, *arguments)


def test_an_image_of_no_policy_is_told_with_those_like_it(bridge: Bridge, asking: Console) -> None:
    told = asking.run("explain", "registry.acme.example/team/ap:1.0.0").out
    host = bridge.registry.host
    assert f"no policy chooses from {host}/team/ap; some do from {host}/team/app" in told


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        pytest.param(["chek"], "Did you mean 'check'", id="command"),
        pytest.param(["pulls", "lst"], "Did you mean 'list'", id="command of a group"),
        pytest.param(["policy", "evalute"], "Did you mean 'evaluate'", id="command of policies"),
        pytest.param(["check", "--databse"], "--database", id="flag"),
        pytest.param(["stages", "--polcy", "x"], "--policy", id="option"),
    ],
)
def test_an_unknown_command_or_flag_is_compared_too(console: Console, arguments: Sequence[str], meant: str) -> None:
    ended = console.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert meant in ended.err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param("listne: {port: 1}", "1:1: listne: is not a setting: did you mean 'listen'? (docs", id="top"),
        pytest.param("listen: {prot: 1}", "listen.prot: is not a setting: did you mean 'port'? (docs", id="below"),
        pytest.param(
            "jenkins: {main: {url: 'https://a.example', sweepjobs: []}}",
            "jenkins.main.sweepjobs: is not a setting: did you mean 'sweep_jobs'?",
            id="in an entry",
        ),
        pytest.param(
            "sources: {gh: {kind: github, secrt: {env: A}}}",
            "sources.gh.secrt: is not a setting: did you mean 'secret'?",
            id="in one of several kinds",
        ),
        pytest.param(
            "config_repos: {a: {url: ./a, branch: main, forge: {kind: github, repository: a/b, tokne: {env: A}}}}",
            "config_repos.a.forge.tokne: is not a setting: did you mean 'token'?",
            id="in a forge",
        ),
        pytest.param(
            "config_repos: {a: {url: ./a, branch: main, forge: {kind: local, token: {env: A}}}}",
            "config_repos.a.forge.token: is not a setting (docs",
            id="of another kind",
        ),
        pytest.param(
            "config_repos: {a: {url: ./a, branch: main, validte: none, forge: {kind: local}}}",
            "config_repos.a.validte: is not a setting: did you mean 'validate'?",
            id="a key with another name inside",
        ),
        pytest.param(
            "api: {tokens: {ops: {scope: read, secret: {evn: A}}}}",
            "evn: is not a setting: did you mean 'env'?",
            id="secret",
        ),
        pytest.param(
            "jenkins: {main: {url: 'https://a.example'}}\n"
            "sources: {ci: {kind: jenkins, jenkins: mian, secret: {env: A}}}",
            "names mian, which is not under jenkins: did you mean 'main'? There are: main",
            id="a name of another section",
        ),
        pytest.param(
            "sources: {prod: {kind: flux, cluster: p, config_repo: fleet, secret: {env: A}}}",
            "names fleet, which is not under config_repos: there are none",
            id="where there is none",
        ),
    ],
)
def test_an_unknown_setting_is_compared_with_those_that_may_stand_there(
    tmp_path: Path, console: Console, settings: str, told: str
) -> None:
    (tmp_path / "fluxbridge.yaml").write_text(settings)
    console.use(tmp_path / "fluxbridge.yaml", {"A": BOT_TOKEN})
    ended = console.run("check")
    assert ended.code == 6
    assert told in ended.err


def test_a_policy_that_edit_is_to_set_is_compared_with_those_that_have_fields(tmp_path: Path, console: Console) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "app.yaml").write_text(fleet()["apps/staging/app.yaml"])
    (tmp_path / "chosen.yaml").write_text('"flux-system:apq": registry.acme.example/team/app:1.1.0\n')
    ended = console.run("edit", str(tmp_path / "manifests"), "--selections", str(tmp_path / "chosen.yaml"))
    assert "not set flux-system:apq: no field of this policy was found: did you mean 'flux-system:app'?" in ended.out
