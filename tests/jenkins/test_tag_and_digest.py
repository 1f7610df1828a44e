"""`fluxbridgeTag`, and the digests that `fluxbridgeReport.digestIn` finds in files."""

import hashlib
import json
import re

import pytest

from app.core.images import is_tag
from tests.jenkins.groovy_runs import COMMIT, DIGEST, STARTED_AT, Case, Ran, case, run_cases

OTHER = "sha256:" + "0" * 64
REST = f"-{COMMIT[:8]}-{STARTED_AT}"
KNOWN = {"GIT_COMMIT": COMMIT}


def written(name: str, safe: str) -> str:
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


BRANCHES = {
    "main": "main",
    "release-1.2": "release-1.2",
    "_x": "_x",
    "feature/login": written("feature/login", "feature-login"),
    "feature-login": "feature-login",
    ".hidden": written(".hidden", "hidden"),
    "-x": written("-x", "x"),
    "прод": written("прод", ""),
    '$(id)`x`"\n': written('$(id)`x`"\n', "id-x"),
    "a" * 108: "a" * 108,
    "a" * 109: written("a" * 109, "a" * 99),
    "x/" * 100: written("x/" * 100, ("x-" * 50)[:99].rstrip("-")),
}
RELEASES = ["v1.4.2", "1.4.2", "1.4.2-rc.1", "v2024.05"]
REFUSED = {
    "1.4.2+build7": "a registry knows no +",
    "release/1.4.2": "is no image tag",
    "v1.0.0-" + "x" * 128: "is no image tag",
    "-v1.0.0": "is no image tag",
    "nightly": "is no version such as v1.4.2",
    f"main{REST}": "is no version such as v1.4.2",
}
FILES = {
    "buildkit": json.dumps(
        {
            "containerimage.config.digest": OTHER,
            "containerimage.descriptor": {"digest": DIGEST, "size": 1},
            "containerimage.digest": DIGEST,
            "image.name": "registry.acme.example/team/app:1.4.2",
        }
    ),
    "inspect": json.dumps([{"Id": OTHER, "RepoDigests": [f"r.example/a@{DIGEST}", f"s.example/a@{DIGEST}"]}]),
    "push": f"The push refers to repository [r.example/a]\n1.4.2: digest: {DIGEST} size: 1234\n",
    "helm": f"Pushed: r.example/charts/app:1.4.2\nDigest: {DIGEST}\n",
}
UNCLEAR = {
    "two": f"{DIGEST} {OTHER}",
    "none": "denied: requested access to the resource is denied",
    "not pushed": json.dumps([{"Id": OTHER, "RepoDigests": []}]),
    "two registries": json.dumps([{"RepoDigests": [f"r.example/a@{DIGEST}", f"s.example/a@{OTHER}"]}]),
    "short": "sha256:abc",
    "long": DIGEST + "0",
    "empty": "",
}
# One image, pushed to several repositories: the digest that counts is that of the one which is reported.
OF_SEVERAL = json.dumps([{"RepoDigests": [f"r.example/a@{OTHER}", f"r.example/a/b@{DIGEST}", f"acme/c@{DIGEST}"]}])
CHOSEN = {"r.example/a/b": DIGEST, "r.example/a": OTHER, "docker.io/acme/c": DIGEST, "r.example/other": None}
IN_FILE = """
pipeline {
    agent none
    stages {
        stage('Push') {
            agent { label 'docker' }
            steps { script { env.FOUND = fluxbridgeReport.digestIn('file') } }
        }
    }
}
"""


def tags() -> dict[str, Case]:
    """Each with a name that is short enough for a path."""
    one = "env.MADE = fluxbridgeTag()"
    return {
        **{f"branch {i}": case(one, env={**KNOWN, "BRANCH_NAME": name}) for i, name in enumerate(BRANCHES)},
        **{f"release {i}": case(one, env={"TAG_NAME": name}) for i, name in enumerate(RELEASES)},
        **{f"refused {i}": case(one, env={"TAG_NAME": name}) for i, name in enumerate(REFUSED)},
        "remote": case(one, env={**KNOWN, "BRANCH_NAME": None, "GIT_BRANCH": "origin/main"}),
        "given": case(f"env.MADE = fluxbridgeTag(branch: 'x', commit: '{'b' * 64}')"),
        "no branch": case(one, env={**KNOWN, "BRANCH_NAME": None}),
        "no commit": case(one),
        "short commit": case(one, env={"GIT_COMMIT": COMMIT[:7]}),
        "again": case(f"{one}\nsleep(time: 60, unit: 'SECONDS')\nenv.AGAIN = fluxbridgeTag()", env=KNOWN),
    }


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Every case, in one JVM."""
    digests = {f"digest {name}": case(IN_FILE, files={"file": text}) for name, text in (FILES | UNCLEAR).items()}
    chosen = {
        f"chosen {n}": case(IN_FILE.replace("('file')", f"('file', '{repository}')"), files={"file": OF_SEVERAL})
        for n, repository in enumerate(CHOSEN)
    }
    return run_cases(tmp_path_factory.mktemp("tag"), tags() | digests | chosen | {"digest missing": case(IN_FILE)})


@pytest.mark.parametrize("position", range(len(BRANCHES)))
def test_a_branch_is_the_beginning_of_a_tag_that_registries_take(ran: dict[str, Ran], position: int) -> None:
    branch, expected = list(BRANCHES.items())[position]
    made = ran[f"branch {position}"].env["MADE"]
    assert made == expected + REST
    assert is_tag(made), branch


def test_no_two_branches_make_the_same_tag(ran: dict[str, Ran]) -> None:
    made = {ran[f"branch {position}"].env["MADE"] for position in range(len(BRANCHES))}
    assert len(made) == len(BRANCHES)


def test_the_pattern_of_flux_own_docs_finds_the_time(ran: dict[str, Ran]) -> None:
    found = re.fullmatch(r"main-[a-f0-9]+-(?P<ts>[0-9]+)", ran["branch 0"].env["MADE"] or "")
    assert found is not None
    assert found["ts"] == str(STARTED_AT)


@pytest.mark.parametrize("position", range(len(RELEASES)))
def test_a_git_tag_that_is_a_version_is_the_tag_as_it_is(ran: dict[str, Ran], position: int) -> None:
    assert ran[f"release {position}"].env["MADE"] == RELEASES[position]


@pytest.mark.parametrize("position", range(len(REFUSED)))
def test_a_git_tag_that_cannot_be_one_fails_the_build(ran: dict[str, Ran], position: int) -> None:
    thrown = ran[f"refused {position}"].thrown
    assert thrown is not None
    assert list(REFUSED.values())[position] in thrown


def test_a_plain_job_and_given_values_are_used(ran: dict[str, Ran]) -> None:
    assert ran["remote"].env["MADE"] == f"main{REST}"
    assert ran["given"].env["MADE"] == f"x-{'b' * 8}-{STARTED_AT}"


@pytest.mark.parametrize(
    ("name", "why"),
    [("no branch", "give `branch`"), ("no commit", "check out first"), ("short commit", "no whole commit")],
)
def test_without_a_branch_or_a_whole_commit_there_is_no_tag(ran: dict[str, Ran], name: str, why: str) -> None:
    thrown = ran[name].thrown
    assert thrown is not None
    assert why in thrown


def test_one_build_has_one_tag(ran: dict[str, Ran]) -> None:
    assert ran["again"].env["MADE"] == ran["again"].env["AGAIN"]


@pytest.mark.parametrize("name", FILES)
def test_the_digest_of_what_was_pushed_is_found(ran: dict[str, Ran], name: str) -> None:
    assert (ran[f"digest {name}"].env.get("FOUND"), ran[f"digest {name}"].result) == (DIGEST, "SUCCESS")


@pytest.mark.parametrize("position", range(len(CHOSEN)))
def test_of_several_repositories_the_named_one_counts(ran: dict[str, Ran], position: int) -> None:
    digest = list(CHOSEN.values())[position]
    one = ran[f"chosen {position}"]
    assert (one.env.get("FOUND"), one.result) == (digest, "SUCCESS" if digest else "FAILURE")


@pytest.mark.parametrize("name", [*UNCLEAR, "missing"])
def test_a_push_whose_digest_is_not_clear_has_failed(ran: dict[str, Ran], name: str) -> None:
    assert (ran[f"digest {name}"].env.get("FOUND"), ran[f"digest {name}"].result) == (None, "FAILURE")
