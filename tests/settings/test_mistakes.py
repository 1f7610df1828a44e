"""Each mistake in a settings file is told with its file, line and key."""

from pathlib import Path

import pytest

from app.core.errors import Refused
from app.settings.loading import InvalidSettings, load

REPO = "url: 'https://github.com/acme/fleet.git', branch: main, forge: {kind: github, repository: a/b, token: {env: T}}"


def mistakes(folder: Path, text: str) -> list[str]:
    """Read a file that must be refused; each problem as `line: key: what is wrong`."""
    path = folder / "fluxbridge.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        load(path, {})
    assert isinstance(caught.value, Refused)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    told = [line.removeprefix(f"{path}:").split(":", 2) for line in lines]
    return [f"{line}:{message}" for line, _column, message in told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("\ndatabas: x", "2: databas: is not a setting", id="unknown-key"),
        pytest.param("log:\n  levle: info", "2: log.levle: is not a setting", id="unknown-key-below"),
        pytest.param("listen:\n  port: '80'", "2: listen.port: must be a whole number", id="text-for-a-number"),
        pytest.param(
            "listen: {port: 70000}", "1: listen.port: must be less than or equal to 65535", id="port-too-high"
        ),
        pytest.param("listen: {host: 1}", "1: listen.host: must be text", id="number-for-text"),
        pytest.param("work: {workers: 1.5}", "1: work.workers: must be a whole number", id="half-a-worker"),
        pytest.param("work: {workers: true}", "1: work.workers: must be a whole number", id="true-for-a-number"),
        pytest.param("work: {workers: 0}", "1: work.workers: must be greater than", id="no-worker"),
        pytest.param("work: {lease_s: .inf}", "1: work.lease_s: must be a finite number", id="endless-lease"),
        pytest.param(
            "limits: {inbox_bytes: 9}",
            "1: limits: must have an inbox_bytes of at least twice body_bytes",
            id="no-body-fits",
        ),
        pytest.param("sweeps: 5", "1: sweeps: must be a mapping", id="number-for-a-section"),
        pytest.param("sweeps:\n  tags: 61 * * * *", "2: sweeps.tags: must be a cron expression", id="cron-minute"),
        pytest.param("sweeps: {tags: '* * * * * *'}", "1: sweeps.tags: must be a cron expression", id="cron-seconds"),
        pytest.param("sweeps: {tags: 0 0 31 2 *}", "1: sweeps.tags: must be a cron expression", id="cron-no-day"),
        pytest.param("sweeps: {tags: hourly}", "1: sweeps.tags: must be a cron expression", id="cron-word"),
        pytest.param("sweeps: {max_new: 0}", "1: sweeps.max_new: must be greater than", id="nothing-new"),
        pytest.param("retention: {bodies_days: 0}", "1: retention.bodies_days: must be greater than", id="no-day"),
        pytest.param("sources:\n", "1: sources: must be a mapping", id="section-left-empty"),
        pytest.param("- a\n- b", "1: must be a mapping", id="list-for-the-file"),
        pytest.param("log: {level: loud}", "1: log.level: must be 'debug', 'info', 'warning' or 'error'", id="choice"),
        pytest.param("listen: {}\nlog: {}\nlisten: {}", "3: listen: is written twice (first in line 1)", id="twice"),
        pytest.param("jenkins: {a: {url: 'https://x'}, a: 1}", "1: jenkins.a: is written twice", id="name-twice"),
        pytest.param("root_path: bridge/", "1: root_path: must be empty or a path", id="root-path"),
        pytest.param("a: [1\nb: 2", "2: is not YAML", id="broken-yaml"),
        pytest.param("log: !secret x", "1: log: has a YAML tag", id="tag"),
        pytest.param("log: &a {level: *a}", "1: log.level", id="endless-alias"),
        pytest.param("? [a]\n: 1", "1: has a key that is not a plain word", id="key-is-a-list"),
        pytest.param("database: mysql://x/y", "1: database.url: must be sqlite", id="other-database"),
        pytest.param("database: postgresql://u@h/d", "1: database.url: must be sqlite", id="driver-left-out"),
        pytest.param("database: sqlite:///f.db", "1: database.url: must be sqlite", id="relative-sqlite"),
        pytest.param("database: sqlite://", "1: database.url: must be sqlite", id="sqlite-in-memory"),
        pytest.param("database: {password: {env: A}}", "1: database: must not have a password", id="sqlite-password"),
        pytest.param("listen: {host: 0.0.0.0}", "1: listen.host: is reachable from other machines", id="no-api-token"),
        pytest.param(
            "api: {tokens: {a: {scope: all, secret: {env: A}}}}", "1: api.tokens.a.scope: must be", id="scope"
        ),
        pytest.param("registries:\n  R: {host: a.b}", "2: registries.R: must be 1 to 63 of a-z", id="name-upper-case"),
        pytest.param("registries: {r: {host: 'https://a.b'}}", "1: registries.r.host: must be a host", id="host-url"),
        pytest.param("registries: {r: {host: a.b, user: u}}", "1: registries.r: must have both", id="half-a-login"),
        pytest.param(
            "registries: {r: {host: a.b, user: u, password: {env: P}, auth: {token: {env: T}}}}",
            "1: registries.r: must not have auth beside user and password",
            id="two-logins",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {}}}", "1: registries.r.auth: must have exactly one", id="auth"
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {ecr: {}, google: {}}}}",
            "1: registries.r.auth: must have exactly one of basic, token, ecr, google, azure and command",
            id="two-ways",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {ecr: {}}}}",
            "1: registries.r: must have auth.ecr.region",
            id="no-region",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {ecr: {region: r, access_key_id: A}}}}",
            "1: registries.r.auth.ecr: must have both access_key_id and secret_access_key",
            id="half-a-key",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {azure: {client_secret: {env: S}}}}}",
            "1: registries.r.auth.azure: must have tenant_id and client_id",
            id="half-a-client",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {azure: {tenant_id: t}}}}",
            "1: registries.r.auth.azure: must have client_secret",
            id="no-client-secret",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {command: docker-credential-x get}}}",
            "1: registries.r.auth.command: must be a list",
            id="command-as-text",
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {command: []}}}", "1: registries.r.auth.command: ", id="no-command"
        ),
        pytest.param(
            "registries: {r: {host: a.b, auth: {token: s3cret}}}",
            "1: registries.r.auth.token: is a secret: write {env: NAME}",
            id="token-in-the-file",
        ),
        pytest.param(
            "registries:\n  a: {host: a.b}\n  b: {host: b.b, aliases: [a.b]}",
            "3: registries.b: has the host a.b, which registries.a has as well",
            id="host-twice",
        ),
        pytest.param(
            "registries:\n  a: {kind: helm, host: a.b}\n  b: {kind: helm, host: A.b:443}",
            "3: registries.b: has the host https://a.b, which registries.a has as well",
            id="charts-twice",
        ),
        pytest.param("registries: {r: {host: a.b, kind: chart}}", "1: registries.r.kind: must be", id="kind"),
        pytest.param(
            "registries: {r: {host: a.b, plain_http: 1}}", "1: registries.r.plain_http: must be true", id="flag"
        ),
        pytest.param("jenkins: {main: {user: u}}", "1: jenkins.main.url: is missing", id="missing"),
        pytest.param("jenkins: {main: {url: 'ftp://x'}}", "1: jenkins.main.url: must be an http://", id="ftp"),
        pytest.param("jenkins: {main: {url: 'https://x:y'}}", "1: jenkins.main.url: is no URL", id="port-word"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    assert any(line.startswith(told) for line in mistakes(tmp_path, text)), mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param(
            "{kind: jenkins, jenkins: main, secret: {env: A}}", ".jenkins: names main, which is not", id="jenkins"
        ),
        pytest.param("{kind: distribution, registry: r, header: {X: {env: A}}}", ".registry: names r", id="registry"),
        pytest.param("{kind: flux, cluster: c, config_repo: f, secret: {env: A}}", ".config_repo: names f", id="repo"),
        pytest.param("{kind: github, config_repo: f, secret: {env: A}}", ".config_repo: names f", id="github-repo"),
        pytest.param("{kind: flux, cluster: c, secret: {env: A}}", ".config_repo: is missing", id="flux-without-repo"),
        pytest.param("{kind: flux, cluster: C, config_repo: f, secret: {env: A}}", ".cluster: must be", id="cluster"),
        pytest.param("{kind: jenkins, jenkins: main}", ": must have exactly one of secret and oidc", id="no-proof"),
        pytest.param(
            "{kind: jenkins, jenkins: main, secret: {env: A}, oidc: {issuer: 'https://c.example/oidc', audience: a}}",
            ": must have exactly one of secret and oidc",
            id="two-proofs",
        ),
        pytest.param(
            "{kind: jenkins, jenkins: main, oidc: {issuer: 'http://c.example/oidc', audience: a}}",
            ".oidc: must have an issuer at https://",
            id="issuer-without-tls",
        ),
        pytest.param(
            "{kind: jenkins, jenkins: main, oidc: {issuer: 'https://c.example/oidc'}}",
            ".oidc.audience: is missing",
            id="no-audience",
        ),
        pytest.param(
            "{kind: jenkins, jenkins: main, oidc: {issuer: 'https://c.example/oidc?x', audience: a}}",
            ".oidc.issuer: must end with its path",
            id="issuer-with-a-query",
        ),
        pytest.param(
            "{kind: jenkins, jenkins: main, oidc: {issuer: 'https://c.example/oidc', audience: a, keys_file: k, "
            "plain_http: true}}",
            ".oidc: must have keys_file, or",
            id="keys-in-two-places",
        ),
        pytest.param("{kind: jenkins, jenkins: main, secret: []}", ".secret: must have at least one", id="no-secrets"),
        pytest.param("{kind: github}", ".secret: is missing", id="github-without-secret"),
        pytest.param(
            "{kind: distribution, registry: r}",
            ": must have exactly one of header, hmac, url_token, basic and oidc",
            id="no-proof",
        ),
        pytest.param("{kind: distribution, registry: r, header: {}}", ".header: must have at least", id="no-header"),
        pytest.param("{kind: distribution, registry: r, header: {a b: {env: A}}}", ".header.a b: must be", id="header"),
        pytest.param(
            "{kind: jenkins-notification, jenkins: main}", ": must have exactly one of url_token", id="unproven"
        ),
        pytest.param("{kind: github, secret: {}}", ".secret: must have exactly one of env and file", id="no-place"),
        pytest.param("{kind: github, secret: {env: A, file: B}}", ".secret: must have exactly one", id="two-places"),
        pytest.param("{kind: github, secret: [{env: A}, {evn: B}]}", ".secret[1].evn: is not a setting", id="second"),
        pytest.param("{kind: github, secret: {env: A}, jobs: [x]}", ".jobs: is not a setting", id="key-of-other-kind"),
        pytest.param(
            "{kind: jenkins, jenkins: main, secret: {env: A}, jobs: x}", ".jobs: must be a list", id="no-list"
        ),
        pytest.param("{kind: svn}", ".kind: must be one of 'jenkins', ", id="unknown-kind"),
        pytest.param("{secret: {env: A}}", ": must have a kind", id="no-kind"),
        pytest.param("null", ": must be a mapping", id="nothing"),
    ],
)
def test_a_mistake_in_a_source_is_told_with_its_key(tmp_path: Path, source: str, told: str) -> None:
    expected = f"3: sources.ci{told}"
    lines = mistakes(tmp_path, f"# who may post\nsources:\n  ci: {source}\n")
    assert any(line.startswith(expected) for line in lines), lines


@pytest.mark.parametrize(
    ("repo", "told"),
    [
        pytest.param("url: 'ext::sh', branch: main, forge: {kind: local}", ".url: must be https://", id="ext"),
        pytest.param("url: '-x', branch: main, forge: {kind: local}", ".url: must be https://", id="option"),
        pytest.param("url: 'ssh://-oProxyCommand=x/y', branch: main, forge: {kind: local}", ".url: must be", id="ssh"),
        pytest.param("url: 'https://x/y', branch: main, forge: {kind: local}", ": must have a path", id="local-remote"),
        pytest.param("url: /x, forge: {kind: local}", ": must have exactly one of branch and branches", id="no-branch"),
        pytest.param("url: /x, branch: a, branches: [b], forge: {kind: local}", ": must have exactly one", id="both"),
        pytest.param("url: /x, branches: [a, a], forge: {kind: local}", ": must name each", id="branch-twice"),
        pytest.param("url: /x, branch: '--all', forge: {kind: local}", ".branch: must be a short", id="branch-option"),
        pytest.param(
            "url: /x, branch: refs/heads/x, forge: {kind: local}", ".branch: must be a short", id="branch-ref"
        ),
        pytest.param("url: /x, branch: a..b, forge: {kind: local}", ".branch: must be a short", id="branch-range"),
        pytest.param("url: /x, branch: fluxbridge/x, forge: {kind: local}", ": must not have a base", id="our-prefix"),
        pytest.param("url: /x, branch: main, forge: {kind: svn}", ".forge.kind: must be one of", id="forge-kind"),
        pytest.param("url: /x, branch: main", ".forge: is missing", id="no-forge"),
        pytest.param(
            "url: 'https://x/y', branch: main, forge: {kind: github, repository: ../x, token: {env: T}}",
            ".forge.repository: must be owner/name",
            id="repository",
        ),
        pytest.param(
            "url: 'https://x/y', branch: main, forge: {kind: gitlab, repository: fleet, token: {env: T}}",
            ".forge.repository: must be group/name or group/subgroup/name",
            id="gitlab-project-without-group",
        ),
        pytest.param(
            "url: 'https://x/y', branch: main, forge: {kind: gitlab, repository: a/../b, token: {env: T}}",
            ".forge.repository: must be group/name or group/subgroup/name",
            id="gitlab-project-that-climbs",
        ),
        pytest.param(
            "url: 'https://x/y', branch: main, forge: {kind: gitlab, repository: a/b.git, token: {env: T}}",
            ".forge.repository: must be group/name or group/subgroup/name",
            id="gitlab-project-as-git-url",
        ),
        pytest.param(
            "url: 'https://x/y', branch: main, forge: {kind: github, repository: a/b}",
            ".forge: must have exactly one of token and app",
            id="github-without-token",
        ),
        pytest.param(f"{REPO}, identity: {{name: 'a <b>'}}", ".identity.name: must be one line", id="identity"),
        pytest.param(f"{REPO}, credentials: {{password: {{env: A}}}}", ".credentials: must have a user", id="no-user"),
        pytest.param(f"{REPO}, credentials: {{user: u}}", ".credentials: must have exactly one of password", id="half"),
        pytest.param(f"{REPO}, mode: both", ".mode: must be 'propose' or 'observe'", id="mode"),
    ],
)
def test_a_mistake_in_a_config_repo_is_told_with_its_key(tmp_path: Path, repo: str, told: str) -> None:
    lines = mistakes(tmp_path, f"config_repos:\n  fleet: {{{repo}}}\n")
    assert any(line.startswith(f"2: config_repos.fleet{told}") for line in lines), lines


DEPLOYER = "kind: jenkins, jenkins: ci, secret: {env: A}, role: deployer"
WHERE = "cluster: c, config_repo: fleet, root: umbrella"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param(DEPLOYER, ": is missing cluster and config_repo and jobs: a deployer has", id="nothing"),
        pytest.param(f"{DEPLOYER}, {WHERE}", ": is missing jobs: a deployer has the cluster", id="no-jobs"),
        pytest.param(f"{DEPLOYER}, {WHERE}, jobs: [d], images: [x/y]", ": must not have images with role", id="images"),
        pytest.param(f"{DEPLOYER}, {WHERE}, jobs: [d]", ".config_repo: names fleet, which is not under", id="repo"),
        pytest.param(
            "kind: jenkins, jenkins: ci, secret: {env: A}, cluster: c",
            ": must not have cluster without role: deployer",
            id="builder",
        ),
        pytest.param("kind: jenkins, jenkins: ci, secret: {env: A}, role: tester", ".role: must be", id="role"),
        pytest.param(
            "kind: jenkins-notification, jenkins: ci, url_token: {env: A}, role: deployer, jobs: [d], cluster: c",
            ": is missing config_repo",
            id="hint",
        ),
    ],
)
def test_a_mistake_in_a_deployer_is_told_with_its_key(tmp_path: Path, source: str, told: str) -> None:
    lines = mistakes(tmp_path, f"jenkins: {{ci: {{url: 'https://ci'}}}}\nsources:\n  d: {{{source}}}\n")
    assert any(line.startswith(f"3: sources.d{told}") for line in lines), lines


def test_a_deployer_is_of_a_base_branch(tmp_path: Path) -> None:
    one = f"{{{DEPLOYER}, {WHERE}, jobs: [d], branch: mian}}"
    text = f"jenkins: {{ci: {{url: 'https://ci'}}}}\nconfig_repos: {{fleet: {{{REPO}}}}}\nsources:\n  a: {one}\n"
    told = "names mian, which is no base branch there: did you mean 'main'? There are: main"
    assert mistakes(tmp_path, text) == [f"4: sources.a.branch: {told}"]


def test_two_deployers_cannot_be_of_one_place(tmp_path: Path) -> None:
    one = f"{{{DEPLOYER}, {WHERE}, jobs: [d]}}"
    repo = f"config_repos: {{fleet: {{{REPO}}}}}\n"
    text = f"jenkins: {{ci: {{url: 'https://ci'}}}}\n{repo}sources:\n  a: {one}\n  b: {one}\n"
    assert mistakes(tmp_path, text) == [
        "5: sources.b: deploys the same root to the same cluster as sources.a: keep one, with the jobs of both"
    ]


def test_two_repos_cannot_share_a_branch(tmp_path: Path) -> None:
    lines = mistakes(tmp_path, f"config_repos:\n  a: {{{REPO}}}\n  b: {{{REPO}}}\n")
    assert lines == ["3: config_repos.b: has the branch main of the same url as config_repos.a"]


GITHUB = "{{url: 'https://x/{name}', branch: main, forge: {{kind: github, repository: a/{name}, {forge}}}}}"


def github_repos(*forges: str) -> str:
    repos = (GITHUB.format(name=name, forge=forge) for name, forge in zip("abc", forges, strict=False))
    return "config_repos:\n" + "\n".join(f"  {name}: {repo}" for name, repo in zip("abc", repos, strict=False))


def test_repos_with_one_token_must_have_one_budget(tmp_path: Path) -> None:
    text = github_repos(
        "token: {env: T}, writes_per_hour: 50", "token: {env: T}", "token: {env: T}, writes_per_hour: 51"
    )
    told = "with the same token: they share a budget"
    assert mistakes(tmp_path, text) == [
        f"3: config_repos.b.forge.writes_per_hour: is 400, but config_repos.a has 50 {told}",
        f"4: config_repos.c.forge.writes_per_hour: is 51, but config_repos.a has 50 {told}",
    ]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("token: {env: T}, writes_per_hour: 50", id="the same budget"),
        pytest.param("token: {env: U}", id="another token"),
        pytest.param("token: {env: T}, api_url: 'https://github.acme.example/api/v3'", id="another forge"),
    ],
)
def test_budgets_may_differ_where_nothing_is_shared(tmp_path: Path, other: str) -> None:
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(github_repos("token: {env: T}, writes_per_hour: 50", other), encoding="utf-8")
    assert set(load(path, {}).config_repos) == {"a", "b"}


def test_several_mistakes_are_told_together_in_their_order(tmp_path: Path) -> None:
    text = "log: {level: loud}\nnope: 1\nwork: {workers: x}\nsources:\n  a: {kind: svn}\n  a: {kind: github}\n"
    keys = [line.split(": ")[1] for line in mistakes(tmp_path, text)]
    assert keys == ["log.level", "nope", "work.workers", "sources.a.kind", "sources.a"]


def test_a_file_that_is_not_there_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"does not exist: .*FLUXBRIDGE_CONFIG"):
        load(tmp_path / "none.yaml", {})


@pytest.mark.parametrize("content", [b"a: \xff", b"a: \x00"], ids=["not-utf-8", "control-character"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fluxbridge.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidSettings):
        load(path, {})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("sources: {a: {kind: github, secret: hunter2}}", id="secret-as-text"),
        pytest.param("sources: {a: {kind: github, secret: [hunter2, 3]}}", id="secrets-as-text"),
        pytest.param("sources: {a: {kind: github, secret: {env: [hunter2]}}}", id="list-in-a-secret"),
        pytest.param("jenkins: {a: {url: 'https://me:hunter2@ci.example'}}", id="jenkins-url"),
        pytest.param("jenkins: {a: {url: 'https://ci.example', proxy: 'http://me:hunter2@p'}}", id="proxy"),
        pytest.param("config_repos: {a: {url: 'https://hunter2@h/r', branch: m, forge: {kind: local}}}", id="git-url"),
        pytest.param("database: postgresql+psycopg://me:hunter2@h/d", id="database"),
        pytest.param("database: postgresql+psycopg://h/d?password=hunter2", id="database-query"),
        pytest.param("a: 'hunter2", id="broken-yaml"),
        pytest.param("a: hunter2\na: hunter2", id="twice"),
        pytest.param("work: {workers: hunter2}", id="wrong-type"),
    ],
)
def test_no_error_repeats_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in "\n".join(mistakes(tmp_path, text))
