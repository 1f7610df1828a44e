"""The settings of both kinds of Bitbucket: names of repositories, addresses, and who the token is for git."""

from pathlib import Path

import pytest

from tests.settings.test_loading import read_repo
from tests.settings.test_mistakes import mistakes

CLOUD = "kind: bitbucket, repository: acme/fleet, token: {env: T}"
CENTER = "kind: bitbucket-dc, token: {env: T}, api_url: 'https://git.acme.example/rest/api/1.0', repository: "


def repo(forge: str, more: str = "") -> str:
    return f"{{url: 'https://git.acme.example/acme/fleet.git', branch: main, {more}forge: {{{forge}}}}}"


@pytest.mark.parametrize(
    ("forge", "credentials", "user"),
    [
        pytest.param(CLOUD, "", "x-token-auth", id="access token"),
        pytest.param(f"{CLOUD}, user: bot@acme.example", "", "x-bitbucket-api-token-auth", id="API token"),
        pytest.param(f"{CENTER}ACME/fleet", "", None, id="Data Center's token"),
        pytest.param(f"{CENTER}ACME/fleet", "credentials: {token: {env: A}}, ", None, id="another token there"),
        pytest.param(f"{CENTER}ACME/fleet", "credentials: {user: bot, token: {env: A}}, ", "bot", id="a user there"),
    ],
)
def test_git_shows_the_token_as_each_kind_wants_it(
    tmp_path: Path, forge: str, credentials: str, user: str | None
) -> None:
    login = read_repo(tmp_path, repo(forge, credentials)).git_login
    assert login is not None
    assert login[0] == user


@pytest.mark.parametrize("name", ["ACME/fleet", "~mira/fleet", "~mira.okafor/fleet-2", "A_1/x.y"])
def test_projects_and_people_have_repositories(tmp_path: Path, name: str) -> None:
    forge = read_repo(tmp_path, repo(f"{CENTER}'{name}'")).forge
    assert (forge.asked_at or "").endswith(f"/rest/api/1.0/projects/{name.replace('/', '/repos/')}")


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        pytest.param(f"{CENTER}fleet", "repository: must be KEY/slug", id="no project"),
        pytest.param(f"{CENTER}projects/ACME/repos/fleet", "repository: must be KEY/slug", id="the address"),
        pytest.param(f"{CENTER}ACME/..", "repository: must be KEY/slug", id="dots"),
        pytest.param(f"{CENTER}'~/x'", "repository: must be KEY/slug", id="nobody's"),
        pytest.param(
            "kind: bitbucket-dc, repository: A/b, token: {env: T}, api_url: 'https://git.acme.example'",
            "api_url: must end in /rest/api/1.0",
            id="web address",
        ),
        pytest.param(CLOUD.replace("acme/fleet", "fleet"), "repository: must be workspace/slug", id="no workspace"),
        pytest.param(CLOUD.replace("acme/fleet", "a/b/c"), "repository: must be workspace/slug", id="too many parts"),
        pytest.param(f"{CLOUD}, account: bot", "account: must be a uuid in braces", id="account by name"),
        pytest.param(f"{CLOUD}, user: 'a:b'", "user: must be one line without a colon", id="user with a colon"),
    ],
)
def test_what_cannot_be_is_told_with_what_should_stand_there(tmp_path: Path, forge: str, told: str) -> None:
    [problem] = mistakes(tmp_path, f"config_repos: {{fleet: {repo(forge)}}}")
    assert told in problem
