"""`fluxbridge check` asks everything that can be asked, and says of the rest why not; nobody is taken on trust."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from app.clients.tls import trusting
from app.demo.registry import DemoRegistry
from app.main import Server, serving
from app.settings.loading import load
from app.settings.own_files import token_file
from tests.cli.console import Console
from tests.clients.forges.github_worlds import BOT, BOT_TOKEN, MIRA_TOKEN
from tests.clients.forges.served_worlds import MIRA
from tests.end_to_end.bridge import APP, ENVIRONMENT, Bridge, fleet, manifest, settings_text
from tests.servers.bare_repository import BareRepository
from tests.servers.github import github_server
from tests.servers.not_github import gitea, other_server

PATIENCE_S = 20
NOBODY = "http://127.0.0.1:1"


def checked(console: Console, folder: Path, settings: str) -> tuple[int, list[str]]:
    file = folder / "fluxbridge.yaml"
    file.write_text(settings)
    console.use(file, {"TOKEN": BOT_TOKEN, **ENVIRONMENT})
    ended = console.run("check")
    return ended.code, ended.out.splitlines()


def told_of(lines: Sequence[str], name: str) -> str:
    """The one line about a thing."""
    [line] = [line for line in lines if line[6:].startswith((f"{name}:", f"{name} ("))]
    return line


def test_many_things_that_are_wrong_at_once_are_all_told(tmp_path: Path, console: Console) -> None:
    BareRepository.create(tmp_path / "fleet.git").commit("main", fleet())
    code, lines = checked(
        console,
        tmp_path,
        f"""\
sources:
  github: {{kind: github, secret: {{env: NOBODY_SETS_THIS}}}}
  lost: {{kind: flux, cluster: lost, config_repo: lost, root: clusters/lost, secret: {{env: FLUX}}}}
  staging: {{kind: flux, cluster: staging, config_repo: fleet, root: clusters/staging, secret: {{env: FLUX}}}}
jenkins:
  down: {{url: "{NOBODY}/jenkins"}}
  locked: {{url: "https://ci.acme.example", user: fluxbridge, token: {{file: jenkins-token}}}}
  untrusted: {{url: "https://jenkins.acme.example", ca_file: ca.pem}}
registries:
  gone: {{host: "127.0.0.1:1", plain_http: true}}
config_repos:
  lost: {{url: ./lost.git, branch: main, forge: {{kind: local}}}}
  fleet: {{url: ./fleet.git, branch: main, forge: {{kind: local}}}}
  hub:
    url: {NOBODY}/acme/fleet.git
    branch: main
    forge: {{kind: github, repository: acme/fleet, api_url: "{NOBODY}/api/v3", token: {{env: TOKEN}}}}
  dark:
    url: {NOBODY}/acme/dark.git
    branch: main
    credentials: {{user: git, password: {{env: TOKEN}}}}
    forge: {{kind: github, repository: acme/dark, api_url: "{NOBODY}/api/v3", token: {{file: forge-token}}}}
""",
    )
    assert code == 1
    lost = tmp_path / "lost.git"
    for name, said in {
        "sources.github.secret": "WRONG sources.github.secret: the environment variable NOBODY_SETS_THIS should hold",
        "jenkins.untrusted.ca_file": f"WRONG jenkins.untrusted.ca_file: {tmp_path / 'ca.pem'} should hold certificates",
        "jenkins.locked": "-     jenkins.locked (https://ci.acme.example): not asked: it needs jenkins.locked.token",
        "jenkins.untrusted": "-     jenkins.untrusted (https://jenkins.acme.example): not asked: it needs",
        "jenkins.down": f"WRONG jenkins.down ({NOBODY}/jenkins): jenkins down cannot be reached",
        "registries.gone": "WRONG registries.gone (http://127.0.0.1:1): registry 127.0.0.1:1: ",
        "config_repos.lost.forge": f"WRONG config_repos.lost.forge ({lost}): {lost} is no bare git repository",
        "config_repos.lost": f"WRONG config_repos.lost ({lost}): ",
        "sources.lost": "-     sources.lost: not asked: it needs config_repos.lost",
        "config_repos.fleet": f"ok    config_repos.fleet ({tmp_path / 'fleet.git'}): main: 1 policies, 2 fields",
        "sources.staging": "ok    sources.staging: main: 3 Kustomizations",
        "config_repos.hub.forge": f"WRONG config_repos.hub.forge ({NOBODY}/api/v3/repos/acme/fleet): GitHub cann",
        "config_repos.hub": f"WRONG config_repos.hub ({NOBODY}/acme/fleet.git): ",
        "config_repos.dark.forge": f"-     config_repos.dark.forge ({NOBODY}/api/v3/repos/acme/dark): not asked: ",
        "config_repos.dark": f"WRONG config_repos.dark ({NOBODY}/acme/dark.git): ",
        "database": "ok    database (",
    }.items():
        assert told_of(lines, name).startswith(said)
    assert "or correct jenkins.down.url" in told_of(lines, "jenkins.down")
    assert BOT_TOKEN not in "\n".join(lines)


@contextmanager
def meeting(others: threading.Barrier) -> Iterator[str]:
    """A Jenkins that answers once the others are asked too."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            others.wait(PATIENCE_S)
            self.send_response(404)
            self.send_header("X-Jenkins", "2.479.1")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        others.abort()
        server.shutdown()
        thread.join()
        server.server_close()


def test_who_is_slow_to_answer_delays_the_others_by_nothing(tmp_path: Path, console: Console) -> None:
    all_asked = threading.Barrier(3)
    with ExitStack() as running:
        urls = [running.enter_context(meeting(all_asked)) for _ in range(3)]
        named = ", ".join(f'j{at}: {{url: "{url}"}}' for at, url in enumerate(urls))
        code, lines = checked(console, tmp_path, f"jenkins: {{{named}}}\n")
    assert code == 0, lines
    assert [line for line in lines if "jenkins" in line] == [
        f"ok    jenkins.j{at} ({url}): answers" for at, url in enumerate(urls)
    ]


def test_a_data_folder_that_cannot_be_made_hides_nothing_that_needs_none(tmp_path: Path, console: Console) -> None:
    (tmp_path / "data").write_text("a file")
    with DemoRegistry() as registry:
        code, lines = checked(
            console,
            tmp_path,
            f'registries: {{acme: {{host: "{registry.host}", plain_http: true}}}}\n'
            "config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n",
        )
    assert code == 1
    assert told_of(lines, "data_dir").startswith("WRONG data_dir: the data folder")
    assert told_of(lines, "database").endswith("not asked: it needs data_dir")
    assert told_of(lines, "config_repos.fleet").endswith("not asked: it needs data_dir")
    assert told_of(lines, "registries.acme") == f"ok    registries.acme (http://{registry.host}): answers"


def test_a_branch_that_is_missing_hides_no_other_branch(tmp_path: Path, console: Console) -> None:
    BareRepository.create(tmp_path / "fleet.git").commit("main", fleet())
    repos = "config_repos: {fleet: {url: ./fleet.git, branches: [release, main], forge: {kind: local}}}\n"
    code, lines = checked(console, tmp_path, repos)
    assert code == 1
    at = lines.index(told_of(lines, "config_repos.fleet"))
    assert "fleet has no branch release" in lines[at]
    assert lines[at + 1] == "      main: 1 policies, 2 fields"


def github_settings(url: Path | str, api_url: str) -> str:
    forge = f'{{kind: github, repository: acme/fleet, token: {{env: TOKEN}}, api_url: "{api_url}"}}'
    return f"config_repos: {{fleet: {{url: {url}, branch: main, forge: {forge}}}}}\n"


def test_a_github_is_told_with_its_versions(tmp_path: Path, console: Console) -> None:
    with github_server(tmp_path / "served", {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}) as github:
        github.push("main", fleet(), by=MIRA)
        code, lines = checked(console, tmp_path, github_settings(github.git_url, github.api_url))
    assert code == 0, lines
    place = f"{github.api_url}/repos/acme/fleet"
    acts = f"acts as {BOT} on GitHub Enterprise Server 3.19.1, API 2022-11-28"
    assert told_of(lines, "config_repos.fleet.forge") == f"ok    config_repos.fleet.forge ({place}): {acts}"


def test_what_the_token_may_do_is_told(tmp_path: Path, console: Console) -> None:
    with github_server(tmp_path / "served", {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}) as github:
        github.push("main", fleet(), by=MIRA)
        settings = github_settings(github.git_url, github.api_url)
        code, lines = checked(console, tmp_path, settings)
        assert code == 0
        assert any("main is open: it may push there itself, past all review" in line for line in lines)
        github.protect_main()
        github.demand("ci/jenkins")
        github.token_ends = "2027-01-01 00:00:00 UTC"
        code, lines = checked(console, tmp_path, settings)
        assert code == 0
        assert "      main demands before a merge: check ci/jenkins" in lines
        assert any(line.startswith("      its token ends on 2027-01-01") for line in lines)
        assert not any("is open" in line for line in lines)
        for change, why in (
            ({"may_push": False}, "may not push: let it write branches below fluxbridge/, or set mode: observe"),
            ({"is_archived": True}, "the repository is archived: unarchive it, or set mode: observe"),
        ):
            github.take_rights(**change)
            code, lines = checked(console, tmp_path, settings)
            assert (code, told_of(lines, "config_repos.fleet.forge").endswith(why)) == (1, True), lines


def test_a_repository_that_the_token_may_not_see_is_told(tmp_path: Path, console: Console) -> None:
    with github_server(tmp_path / "served", {BOT: BOT_TOKEN}, full_name="acme/other") as github:
        _, lines = checked(console, tmp_path, github_settings(github.git_url, github.api_url))
    assert "GitHub shows no repository acme/fleet to our token" in told_of(lines, "config_repos.fleet.forge")


def test_a_gitea_that_is_called_github_is_named_by_check(tmp_path: Path, console: Console) -> None:
    config = BareRepository.create(tmp_path / "fleet.git")
    config.commit("main", fleet())
    with other_server(gitea("1.22.3"), base="/api/v1") as other:
        code, lines = checked(console, tmp_path, github_settings(config.path, other.url))
    assert code == 1
    found = told_of(lines, "config_repos.fleet.forge")
    assert f"this is Gitea 1.22.3 ({other.url}); kind: github speaks only to GitHub" in found
    assert told_of(lines, "config_repos.fleet").startswith("ok ")


def test_nothing_is_written_where_the_forge_is_not_what_it_is_said_to_be(tmp_path: Path, sqlite_url: str) -> None:
    config = BareRepository.create(tmp_path / "fleet.git")
    config.commit("main", fleet())
    answers = {**gitea("1.22.3"), "/repos/acme/fleet/pulls": (200, [])}
    with other_server(answers, base="/api/v1") as other, DemoRegistry() as registry:
        for tag in ("1.0.0", "1.1.0"):
            registry.put(APP, tag, manifest(f"{APP}:{tag}"))
        forge = f'{{kind: github, repository: acme/fleet, token: {{env: TOKEN}}, api_url: "{other.url}"}}'
        settings = settings_text(tmp_path, str(config.path), registry.host, sqlite_url, forge=forge)
        environment = {**ENVIRONMENT, "TOKEN": BOT_TOKEN}
        (tmp_path / "fluxbridge.yaml").write_text(settings)
        server = Server(load(tmp_path / "fluxbridge.yaml", environment))
        with serving(server) as url:
            headers = {"Authorization": f"Bearer {token_file(server.settings).read_text()}"}
            with httpx.Client(base_url=url, headers=headers, verify=trusting(), trust_env=False) as api:
                bridge = Bridge(url, api, server, config, registry, tmp_path)
                bridge.wait_for("the second try", lambda: bridge.items("/lanes")[0]["attempts"] > 1)
                assert "this is Gitea 1.22.3" in bridge.items("/lanes")[0]["last_error"]
    assert config.git("for-each-ref", "--format=%(refname)").split() == [b"refs/heads/main"]
    assert {one for one in other.asked if "/repos/" in one or not one.startswith("GET ")} == set()
