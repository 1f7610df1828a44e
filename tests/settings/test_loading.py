"""A whole settings file, as the documentation shows it, and the choices it leaves open."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings.config_repos import ConfigRepo
from app.settings.forges.github import GitHubForge
from app.settings.loading import InvalidSettings, load, settings_path
from app.settings.models import Settings
from app.settings.server import is_loopback
from app.settings.sources.flux import FluxSource
from app.settings.sources.jenkins import JenkinsSource
from app.settings.sources.registries import RegistrySource

WHOLE = """\
data_dir: ./data
database: sqlite
api: {tokens: {ops: {scope: operate, secret: {env: FLUXBRIDGE_TOKEN}}}}
sources:
  ci:        {kind: jenkins, jenkins: main, secret: {env: CI_HOOK_SECRET}, jobs: ["acme/*"],
              images: ["registry.acme.example/*"]}
  ci-legacy: {kind: jenkins-notification, jenkins: main, url_token: {env: CI_URL_TOKEN}}
  registry:  {kind: distribution, registry: acme, header: {Authorization: {env: REGISTRY_HOOK_SECRET}}}
  github:    {kind: github, secret: {env: GITHUB_HOOK_SECRET}}
  prod-eu:   {kind: flux, cluster: prod-eu, config_repo: fleet, root: ./clusters/prod-eu/, secret: {env: FLUX_PROD_EU}}
jenkins:    {main: {url: https://ci.acme.example/, user: fluxbridge, token: {file: /run/secrets/jenkins},
                    ca_file: ca.pem, proxy: "http://proxy.acme.example:3128"}}
registries: {acme: {host: registry.acme.example, aliases: [], user: puller, password: {env: PULL}, ca_file: /ca.pem,
                    plain_http: false}}
config_repos:
  fleet:
    url: https://github.com/acme/fleet.git
    branch: main
    mode: propose                          # or observe
    forge: {kind: github, repository: acme/fleet, token: {file: /run/secrets/github}}
"""


def read(folder: Path, text: str) -> Settings:
    path = folder / "fluxbridge.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def read_repo(folder: Path, text: str) -> ConfigRepo:
    return read(folder, f"config_repos: {{fleet: {text}}}").config_repos["fleet"]


def test_the_documented_example_is_read_whole(tmp_path: Path) -> None:
    settings = read(tmp_path, WHOLE)
    ci, registry, cluster = (settings.sources[name] for name in ("ci", "registry", "prod-eu"))
    assert isinstance(ci, JenkinsSource)
    assert (ci.jenkins, ci.jobs, ci.images) == ("main", ("acme/*",), ("registry.acme.example/*",))
    assert isinstance(registry, RegistrySource)
    assert registry.proof == "header"
    assert list(registry.header or ()) == ["Authorization"]
    assert isinstance(cluster, FluxSource)
    assert (cluster.cluster, cluster.root) == ("prod-eu", "clusters/prod-eu")
    assert settings.jenkins["main"].url == "https://ci.acme.example"
    assert isinstance(settings.config_repos["fleet"].forge, GitHubForge)
    assert settings.api.tokens["ops"].scope == "operate"


def test_an_empty_file_gives_a_server_on_loopback_with_sqlite(tmp_path: Path) -> None:
    settings = read(tmp_path, "# nothing yet\n")
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 8080)
    assert settings.database.is_sqlite
    assert settings.data_dir == tmp_path / "data"


def test_relative_paths_are_below_the_settings_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "data_dir: d\n"
        "jenkins: {main: {url: 'https://ci', ca_file: certs/ca.pem}}\n"
        "config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n",
    )
    assert settings.data_dir == tmp_path / "d"
    assert settings.jenkins["main"].ca_file == tmp_path / "certs" / "ca.pem"
    assert settings.config_repos["fleet"].url == str(tmp_path / "fleet.git")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, "fluxbridge.yaml", id="default"),
        pytest.param({"FLUXBRIDGE_CONFIG": "/etc/f.yaml"}, "/etc/f.yaml", id="named"),
        pytest.param({"FLUXBRIDGE_CONFIG": ""}, "fluxbridge.yaml", id="named-empty"),
    ],
)
def test_the_environment_names_the_settings_file(environ: dict[str, str], expected: str) -> None:
    assert settings_path(environ) == Path(expected)


@pytest.mark.parametrize(
    ("url", "password", "expected"),
    [
        pytest.param("sqlite", "", "sqlite:////srv/data/fluxbridge.sqlite3", id="sqlite-in-the-data-folder"),
        pytest.param("sqlite:////var/f.db", "", "sqlite:////var/f.db", id="sqlite-elsewhere"),
        pytest.param(
            "postgresql+psycopg://bridge@db:5432/f",
            ", password: {file: password}",
            "postgresql+psycopg://bridge:p%40ss%2Fword@db:5432/f",
            id="postgresql-with-a-password",
        ),
        pytest.param(
            "postgresql+psycopg:///f?host=/run/postgresql",
            "",
            "postgresql+psycopg:///f?host=%2Frun%2Fpostgresql",
            id="postgresql-by-socket",
        ),
    ],
)
def test_the_database_is_one_of_two(tmp_path: Path, url: str, password: str, expected: str) -> None:
    (tmp_path / "password").write_text("p@ss/word\n")
    database = read(tmp_path, f"database: {{url: '{url}'{password}}}").database
    connect = database.connect_url(Path("/srv/data"))
    assert connect.render_as_string(hide_password=False) == expected
    assert "ss/word" not in repr(connect)


def test_a_database_may_be_written_as_its_url_alone(tmp_path: Path) -> None:
    assert not read(tmp_path, "database: postgresql+psycopg://bridge@db/f").database.is_sqlite


@pytest.mark.parametrize(
    ("text", "user"),
    [
        pytest.param("credentials: {user: bot, password: {env: A}}", "bot", id="user-and-password"),
        pytest.param("credentials: {token: {env: A}}", GitHubForge.git_user, id="token"),
        pytest.param("mode: observe", GitHubForge.git_user, id="the-forge's-token"),
    ],
)
def test_git_logs_in_with_its_credentials_or_the_token_of_the_forge(tmp_path: Path, text: str, user: str) -> None:
    forge = "forge: {kind: github, repository: acme/fleet, token: {env: B}}"
    repo = read_repo(tmp_path, f"{{url: 'https://github.com/acme/fleet.git', branch: main, {text}, {forge}}}")
    assert repo.git_login is not None
    assert repo.git_login[0] == user
    assert repo.git_login[1].env == ("B" if text.startswith("mode") else "A")


@pytest.mark.parametrize("url", ["git@github.com:acme/fleet.git", "ssh://git@github.com/acme/fleet.git"])
def test_git_over_ssh_needs_no_login_of_ours(tmp_path: Path, url: str) -> None:
    forge = "forge: {kind: github, repository: acme/fleet, token: {env: B}}"
    assert read_repo(tmp_path, f"{{url: '{url}', branch: main, {forge}}}").git_login is None


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        pytest.param("branch: main", ("main",), id="one"),
        pytest.param("branches: [main, release/1.2]", ("main", "release/1.2"), id="many"),
    ],
)
def test_a_repo_has_one_base_branch_or_many(tmp_path: Path, text: str, bases: tuple[str, ...]) -> None:
    assert read_repo(tmp_path, f"{{url: /srv/fleet.git, {text}, forge: {{kind: local}}}}").bases == bases


def test_docker_hub_has_one_name(tmp_path: Path) -> None:
    registries = read(tmp_path, "registries: {hub: {host: index.docker.io}}").registries
    assert registries["hub"].host == "docker.io"


def test_anchors_save_repeating_a_part(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "jenkins:\n"
        "  a: {url: 'https://a.example', user: me, token: &token {env: T}}\n"
        "  b: {url: 'https://b.example', user: me, token: *token}\n",
    )
    assert settings.jenkins["a"].token == settings.jenkins["b"].token


def test_sweeps_have_schedules_of_which_each_may_be_taken_away(tmp_path: Path) -> None:
    given = read(tmp_path, "sweeps: {tags: 5 */2 * * 1-5, builds: never, mirrors: never}").sweeps
    assert given.schedules == {
        "tags": "5 */2 * * 1-5",
        "pull_requests": "*/10 * * * *",
        "bodies": "30 3 * * *",
    }


def test_settings_do_not_change_after_they_were_read(tmp_path: Path) -> None:
    settings = read(tmp_path, WHOLE)
    with pytest.raises(ValidationError):
        settings.listen.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_from_the_network(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_key_that_there_is_no_more_is_told_with_its_place_and_stops_nothing(tmp_path: Path) -> None:
    text = WHOLE.replace("repository: acme/fleet,", "repository: acme/fleet, redeliver: true,")
    settings = read(tmp_path, f"{text}sweeps:\n  webhooks: never\n")
    path = tmp_path / "fluxbridge.yaml"
    lines = [text.splitlines().index(line) + 1 for line in text.splitlines() if "redeliver" in line]
    places = [one.removeprefix(f"{path}:").partition(": is not needed any more") for one in settings.notices]
    assert [place for place, _, _ in places] == [
        f"{lines[0]}:51: config_repos.fleet.forge.redeliver",
        f"{lines[0] + 2}:3: sweeps.webhooks",
    ]
    assert read(tmp_path, WHOLE).notices == ()


def test_where_a_retired_key_would_stand_other_mistakes_are_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="sweeps: must be a mapping") as refused:
        read(tmp_path, "sweeps: webhooks\nconfig_repos: [redeliver]\n")
    assert "config_repos: must be a mapping" in str(refused.value)
