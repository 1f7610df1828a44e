"""The Jenkinsfiles, run for branches, tags, pull requests and builds that break: what is pushed, what is reported."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import BuildFinished
from app.senders.jenkins.report import JENKINS
from app.senders.sender import Keys, Origin, WebhookRequest
from tests.jenkins.groovy_runs import (
    COMMIT,
    DIGEST,
    EXAMPLES,
    SECRET,
    STARTED_AT,
    Case,
    Ran,
    case,
    run_cases,
)
from tests.parts import require_program, require_shell

FILES = {
    "docker-pod": json.dumps([{"RepoDigests": [f"registry.acme.example/team/app@{DIGEST}"]}]),
    "agent": json.dumps([{"RepoDigests": [f"registry.acme.example/team/app@{DIGEST}"]}]),
    "buildkit-pod": json.dumps({"containerimage.digest": DIGEST}),
    "helm-umbrella": json.dumps({"containerimage.digest": DIGEST}),
}
IMAGE = "registry.acme.example/team/app"
BRANCH = "feature/$(id)-\"x'; прод"
TITLE = 'Release "2"\n$(curl evil) `id` \'; rm -rf /'
PUSH = re.compile(r"docker push|--push|push=true|helm push")
RUN_TESTS = (EXAMPLES / "run-tests.sh").read_text(encoding="utf-8")
# Writes down what it would send, as the checksums of all files of the context.
BUILDCTL = """#!/bin/sh
for given in "$@"; do case "$given" in context=*) context=${given#context=} ;; esac; done
(cd "$context" && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2) >> "$SENT"
echo end >> "$SENT"
"""
SITUATIONS: dict[str, dict[str, Any]] = {
    "branch": {"env": {"BRANCH_NAME": "main"}},
    "hostile branch": {"env": {"BRANCH_NAME": BRANCH}},
    "tag": {"env": {"BRANCH_NAME": "v1.4.2", "TAG_NAME": "v1.4.2"}},
    "change": {
        "env": {"BRANCH_NAME": "PR-12", "CHANGE_ID": "12", "CHANGE_BRANCH": BRANCH, "CHANGE_TITLE": TITLE},
        "build": {"job": "team/app/PR-12"},
    },
    "failing tests": {"env": {"BRANCH_NAME": "main"}, "fails": ["run-tests.sh"], "junit": {"failCount": 9}},
    "tag with failing tests": {"env": {"BRANCH_NAME": "v1.4.2", "TAG_NAME": "v1.4.2"}, "fails": ["run-tests.sh"]},
    "tag with unstable tests": {"env": {"BRANCH_NAME": "v1.4.2", "TAG_NAME": "v1.4.2"}, "junit": {"failCount": 1}},
    "tag that is none": {"env": {"BRANCH_NAME": "1.4+x", "TAG_NAME": "1.4+x"}},
    "failing build": {"env": {"BRANCH_NAME": "main"}, "fails": ["docker build", "dockerfile=.'"]},
    "failing push": {"env": {"BRANCH_NAME": "main"}, "fails": ["docker push", "push=true"]},
    "own branch": {"env": {"BRANCH_NAME": "fluxbridge/main/staging/all"}},
    "own change": {"env": {"BRANCH_NAME": "PR-9", "CHANGE_ID": "9", "CHANGE_BRANCH": "fluxbridge/main/staging/all"}},
}
KINDS = pytest.mark.parametrize("kind", FILES)


def build_of(kind: str, situation: str) -> Case:
    """One Jenkinsfile in one situation. A failing BuildKit build is the first of its two commands only."""
    files = {"image.json": FILES[kind], "chart.txt": f"Pushed: x\nDigest: {DIGEST}\n"}
    given = SITUATIONS[situation]
    fails = ["local dockerfile=."] if situation == "failing build" and "docker build" not in text(kind) else None
    return case(text(kind), files=files, **{**given, "fails": fails or given.get("fails", [])})


def text(kind: str) -> str:
    return (EXAMPLES / f"Jenkinsfile.{kind}").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Ran]:
    """Every Jenkinsfile in every situation, in one JVM."""
    keys = {f"{kind}-{n}": (kind, one) for kind in FILES for n, one in enumerate(SITUATIONS)}
    found = run_cases(tmp_path_factory.mktemp("jenkinsfiles"), {name: build_of(*key) for name, key in keys.items()})
    return {keys[name]: outcome for name, outcome in found.items()}


Runs = dict[tuple[str, str], Ran]


def pushes(ran: Ran) -> list[str]:
    return [script for script, _ in ran.logged("sh") if PUSH.search(script)]


def names(ran: Ran) -> list[str]:
    return [name for name, *_ in ran.logged("stage")]


@KINDS
@pytest.mark.parametrize("situation", [one for one in SITUATIONS if not one.startswith("own")])
def test_every_build_ends_with_one_report_that_the_server_takes(ran: Runs, kind: str, situation: str) -> None:
    one = ran[kind, situation]
    [request] = one.requests
    arrived = WebhookRequest(headers=request.headers, body=request.body)
    JENKINS.verify(arrived, Keys(secrets=(SECRET,)), datetime.now(UTC))
    read = JENKINS.parse(arrived, Origin(source="ci", jenkins="main"))
    assert (read.problems, len(read.facts)) == ((), 1)
    assert one.report["result"] == one.result
    assert one.report["git"]["commit"] == COMMIT
    assert one.logged("withCredentials")[-1] == [["fluxbridge"]]


@KINDS
def test_a_branch_is_pushed_beside_its_tests(ran: Runs, kind: str) -> None:
    one = ran[kind, "branch"]
    assert (one.result, one.thrown) == ("SUCCESS", None)
    assert names(one) == ["App", "Build", "Publish and test", "Development tag", "Tests"]
    tag = f"main-{COMMIT[:8]}-{STARTED_AT}"
    assert one.report["images"] == [{"repository": IMAGE, "tag": tag, "digest": DIGEST}]
    assert one.report["git"] == {
        "url": "https://git.acme.example/team/app.git",
        "commit": COMMIT,
        "branch": "main",
        "tag": None,
        "change_id": None,
    }
    assert one.report["tests"] == {"total": 212, "passed": 209, "failed": 0, "skipped": 3}


@KINDS
def test_a_tag_is_pushed_after_its_tests_passed(ran: Runs, kind: str) -> None:
    one = ran[kind, "tag"]
    assert names(one) == ["App", "Build", "Publish and test", "Tests", "Release tag"]
    scripts = [script for script, _ in one.logged("sh")]
    tested = next(n for n, script in enumerate(scripts) if "run-tests.sh" in script)
    assert all(scripts.index(push) > tested for push in pushes(one))
    assert one.report["images"] == [{"repository": IMAGE, "tag": "v1.4.2", "digest": DIGEST}]
    assert (one.report["git"]["tag"], one.report["git"]["branch"]) == ("v1.4.2", None)


@KINDS
@pytest.mark.parametrize(
    ("situation", "result"),
    [("tag with failing tests", "FAILURE"), ("tag with unstable tests", "UNSTABLE"), ("tag that is none", "FAILURE")],
)
def test_a_release_whose_tests_did_not_pass_is_not_pushed(ran: Runs, kind: str, situation: str, result: str) -> None:
    one = ran[kind, situation]
    assert (one.result, pushes(one), one.report["images"], one.report["charts"]) == (result, [], [], [])


@KINDS
def test_a_pull_request_is_built_and_tested_and_pushes_nothing(ran: Runs, kind: str) -> None:
    one = ran[kind, "change"]
    assert (one.result, pushes(one), one.report["images"]) == ("SUCCESS", [], [])
    assert "Tests" in names(one)
    assert (one.report["git"]["change_id"], one.report["git"]["branch"]) == ("12", BRANCH)


@KINDS
def test_a_development_tag_whose_tests_fail_is_reported_as_failed(ran: Runs, kind: str) -> None:
    one = ran[kind, "failing tests"]
    assert (one.report["result"], len(one.report["images"])) == ("FAILURE", 1)
    assert one.report["tests"]["failed"] == 9


@KINDS
@pytest.mark.parametrize("situation", ["failing build", "failing push"])
def test_what_was_not_pushed_is_not_named(ran: Runs, kind: str, situation: str) -> None:
    one = ran[kind, situation]
    assert (one.report["result"], one.report["images"], one.report["charts"]) == ("FAILURE", [], [])


@KINDS
@pytest.mark.parametrize("situation", ["own branch", "own change"])
def test_branches_of_fluxbridge_start_no_agent_and_report_nothing(ran: Runs, kind: str, situation: str) -> None:
    one = ran[kind, situation]
    assert (one.requests, one.logged("sh"), names(one), one.logged("skipped")) == ([], [], [], [["App"]])
    assert one.result == "SUCCESS"


@KINDS
@pytest.mark.parametrize("situation", ["hostile branch", "change"])
def test_nothing_from_outside_is_ever_part_of_a_command(ran: Runs, kind: str, situation: str) -> None:
    one = ran[kind, situation]
    scripts = {script for script, _ in one.logged("sh")}
    plain = {script for script, _ in ran[kind, "branch"].logged("sh")}
    assert scripts <= plain
    assert one.report["git"]["branch"] == BRANCH


@KINDS
def test_the_secret_of_the_reports_reaches_no_command(ran: Runs, kind: str) -> None:
    for situation in SITUATIONS:
        one = ran[kind, situation]
        assert SECRET not in json.dumps(one.log)
        assert not any("FLUXBRIDGE_SECRET" in environment for _, environment in one.logged("sh"))


def test_the_plain_agent_pushes_with_a_secret_file_and_begins_with_an_empty_folder(ran: Runs) -> None:
    one = ran["agent", "branch"]
    [push] = [environment for script, environment in one.logged("sh") if "docker push" in script]
    assert push["REGISTRY_AUTH"] == "/run/secrets/config.json"
    steps = [entry[0] for entry in one.log]
    assert steps.index("deleteDir") < steps.index("checkout")


@pytest.mark.parametrize(("situation", "version"), [("branch", f"0.0.0-{STARTED_AT}"), ("tag", "1.4.2")])
def test_the_chart_is_published_after_its_image(ran: Runs, situation: str, version: str) -> None:
    one = ran["helm-umbrella", situation]
    assert ["push=true" in pushes(one)[0], "helm push" in pushes(one)[1]] == [True, True]
    assert one.report["charts"] == [
        {"repository": "registry.acme.example/charts/app", "version": version, "digest": DIGEST}
    ]
    [environment] = [environment for script, environment in one.logged("sh") if "helm push" in script]
    assert environment["CHART_VERSION"] == version


@pytest.mark.parametrize("kind", ["buildkit-pod", "helm-umbrella"])
def test_what_is_pushed_after_the_tests_is_built_from_what_was_checked_out(
    ran: Runs, kind: str, tmp_path: Path
) -> None:
    git, shell = require_program("git", "apt-get install -y git"), require_shell("sh")
    workspace, sent = tmp_path / "workspace", tmp_path / "sent"
    workspace.mkdir()
    for name, content in {"Dockerfile": "FROM scratch\n", "src/it's.py": "1\n", "run-tests.sh": RUN_TESTS}.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(content)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run([git, *command], cwd=workspace, check=True)
    (tmp_path / "buildctl").write_text(BUILDCTL)
    (tmp_path / "buildctl").chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SENT": str(sent)}
    environment["TEST_COMMAND"] = 'echo 2 >> "src/it\'s.py"; echo x > reports/unit.xml'
    for script, given in ran[kind, "tag"].logged("sh"):
        if "helm" not in script:
            subprocess.run([shell, "-euc", script], cwd=workspace, env=given | environment, check=True)
    assert (workspace / "src" / "it's.py").read_text() == "1\n2\n"
    first, pushed, rest = sent.read_text().split("end\n")
    assert (pushed, rest) == (first, "")
    assert re.findall(r"\./.+", first) == ["./Dockerfile", "./run-tests.sh", "./src/it's.py"]


@pytest.fixture(scope="module")
def of_pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """The pipelines of the pages. Nothing but a checkout tells them the commit."""
    pages = {name: (EXAMPLES.parents[1] / name).read_text("utf-8") for name in ("jenkins/README.md", "docs/senders.md")}
    found = {name: re.findall(r"```groovy\n(.+?)```", page, re.DOTALL) for name, page in pages.items()}
    own, waiting = found["jenkins/README.md"]
    [post] = found["docs/senders.md"]
    # As its first lines say for a pipeline whose agents are in its stages.
    post = post.replace("post { always { script {", "post { always { script { node('linux') {")
    snippet = f"pipeline {{\nagent none\n{post.replace('} } }', '} } } }')}\n}}"
    pushed = {"IMAGE": IMAGE, "TAG": "1.4.2", "DIGEST": DIGEST, "BUILD_NUMBER": "77", "JOB_NAME": "team/app/main"}
    change = {"BRANCH_NAME": "PR-12", "CHANGE_ID": "12", "CHANGE_BRANCH": BRANCH}
    tag = {"BRANCH_NAME": "v1.4.2", "TAG_NAME": "v1.4.2"}
    files = {"image.json": FILES["buildkit-pod"]}
    cases = {
        "own-branch": case(own, files=files),
        "own-change": case(own, files=files, env=change),
        "waiting": case(waiting),
        "snippet-branch": case(snippet, env=pushed),
        "snippet-tag": case(snippet, env=pushed | tag),
        "snippet-change": case(snippet, env=pushed | change),
        "snippet-nothing-pushed": case(snippet, env={**pushed, "DIGEST": None}),
    }
    return run_cases(tmp_path_factory.mktemp("pages"), cases)


def test_the_pipelines_of_the_pages_run(of_pages: dict[str, Ran]) -> None:
    for name, one in of_pages.items():
        assert (one.thrown, one.logged("failed")) == (None, []), name
        assert one.requests or name.startswith("snippet"), name


def test_the_pipeline_of_the_readme_reports_commit_and_repository(of_pages: dict[str, Ran]) -> None:
    report = of_pages["own-branch"].report
    assert (report["git"]["url"], report["git"]["commit"]) == ("https://git.acme.example/team/app.git", COMMIT)
    tag = f"main-{COMMIT[:8]}-{STARTED_AT}"
    assert report["images"] == [{"repository": IMAGE, "tag": tag, "digest": DIGEST}]


def test_the_pipeline_of_the_readme_pushes_nothing_for_a_pull_request(of_pages: dict[str, Ran]) -> None:
    one = of_pages["own-change"]
    assert (pushes(one), one.report["images"], one.report["git"]["change_id"]) == ([], [], "12")


@pytest.mark.parametrize(
    ("name", "branch", "tag", "images"),
    [
        pytest.param("branch", "main", None, 1, id="branch"),
        pytest.param("tag", None, "v1.4.2", 1, id="tag"),
        pytest.param("change", BRANCH, None, 0, id="change"),
        pytest.param("nothing-pushed", "main", None, 0, id="nothing pushed"),
    ],
)
def test_the_snippet_without_the_library_says_what_was_built(
    of_pages: dict[str, Ran], name: str, branch: str | None, tag: str | None, images: int
) -> None:
    [[file, body]] = of_pages[f"snippet-{name}"].logged("writeFile")
    assert file == "report.json"
    read = JENKINS.parse(
        WebhookRequest({"x-signature-timestamp": "1"}, body.encode()), Origin(source="ci", jenkins="main")
    )
    assert read.problems == ()
    [build] = read.facts
    assert isinstance(build, BuildFinished)
    assert (build.branch, build.git_tag, len(build.artifacts)) == (branch, tag, images)
