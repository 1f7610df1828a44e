"""The other files that a Jenkins user copies: parsed, checked against schemas, run where that can be."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from app.settings.loading import load
from tests.jenkins.groovy_runs import EXAMPLES, JENKINS, SECRET, STUBS, run_groovy
from tests.parts import require_shell, required

SETUP, VARS = JENKINS / "setup", JENKINS / "vars"
README = (JENKINS / "README.md").read_text(encoding="utf-8")
PODS = sorted(EXAMPLES.glob("*-pod.yaml"))
SCRIPTS = [*sorted(VARS.glob("*.groovy")), *sorted(EXAMPLES.glob("Jenkinsfile.*"))]
JOBS = sorted(SETUP.glob("*.groovy"))
# Each breaks one of the rules that the checks claim to see.
BROKEN = {
    "no groovy": "def call() { if (",
    "step at once": "@NonCPS\ndef look() { echo('x') }",
    "build at once": "@NonCPS\ndef look() { return env.X }",
    "library at once": "@NonCPS\ndef look() { return fluxbridgeHttp.oneLine('x') }",
    "closure": "def call(List all) { all.each { echo(it) } }",
}
FINE = """
def call() {
    withCredentials([]) { echo(look()) }
    for (int i = 0; i < 2; i++) { sh('x') }
}
@NonCPS
def look() { [1].collect { it } }
"""
DOCKER = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$1" in
create) echo c0ntainer ;;
start) exit "$STATUS" ;;
inspect) echo /app ;;
cp) echo '<testsuite/>' > reports/unit.xml ;;
esac
"""


def documents(path: Path) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Groovy says of every file, in one JVM."""
    checks = {path.name: path.read_text(encoding="utf-8") for path in SCRIPTS} | BROKEN | {"fine": FINE}
    jobs = {path.name: path.read_text(encoding="utf-8") for path in JOBS}
    return run_groovy(tmp_path_factory.mktemp("files"), checks=checks, jobs=jobs)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in SCRIPTS])
def test_it_is_groovy_and_keeps_to_the_rules_of_pipeline(told: dict[str, Any], path: Path) -> None:
    assert told["checks"][path.name] == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_found(told: dict[str, Any], name: str) -> None:
    assert len(told["checks"][name]) == 1
    assert told["checks"]["fine"] == []


def test_every_groovy_file_is_among_those_that_are_checked() -> None:
    everywhere = {
        path for path in JENKINS.rglob("*") if path.suffix == ".groovy" or path.name.startswith("Jenkinsfile")
    }
    assert everywhere == {*SCRIPTS, *JOBS}
    assert STUBS.is_dir()
    assert list(JENKINS.rglob("*.py")) == [], "with one, `import jenkins` would be this folder"


def calls(tree: list[Any], *path: str) -> list[Any]:
    """The arguments of each call below this path of blocks."""
    for step in path[:-1]:
        tree = [inner for name, _, block in tree if name == step for inner in block]
    return [given[0] if given else None for name, given, _ in tree if name == path[-1]]


def test_the_multibranch_job_builds_tags_and_leaves_out_the_branches_of_fluxbridge(told: dict[str, Any]) -> None:
    tree = told["jobs"]["multibranch.groovy"]
    assert calls(tree, "multibranchPipelineJob") == ["team/app"]
    source = ("multibranchPipelineJob", "branchSources", "branchSource")
    traits = (*source, "source", "github", "traits")
    assert calls(tree, *traits, "gitHubTagDiscovery") == [None]
    assert calls(tree, *traits, "gitHubForkDiscovery") == []
    assert calls(tree, *traits, "headWildcardFilter", "excludes") == ["fluxbridge/*"]
    assert calls(tree, *source, "buildStrategies", "buildTags", "atMostDays") == ["7"]


def test_the_notification_tells_when_all_is_over_and_its_address_is_secret(told: dict[str, Any]) -> None:
    tree = told["jobs"]["notification.groovy"]
    endpoint = ("pipelineJob", "properties", "hudsonNotificationProperty", "endpoints", "endpoint")
    assert calls(tree, *endpoint, "event") == ["finalized"]
    assert calls(tree, *endpoint, "format") == ["JSON"]
    assert calls(tree, *endpoint, "urlInfo", "urlType") == ["SECRET"]
    assert calls(tree, "pipelineJob", "parameters", "stringParam") == ["IMAGE", "IMAGE_TAG", "IMAGE_DIGEST"]


def test_the_configuration_as_code_holds_no_secret_and_nobody_chooses_the_library() -> None:
    [casc] = documents(SETUP / "casc.yaml")
    [library] = casc["unclassified"]["globalLibraries"]["libraries"]
    assert (library["name"], library["allowVersionOverride"]) == ("fluxbridge", False)
    assert library["retriever"]["modernSCM"]["libraryPath"] == "jenkins/"
    [domain] = casc["credentials"]["system"]["domainCredentials"]
    secrets = {one["string"]["id"]: one["string"]["secret"] for one in domain["credentials"]}
    assert secrets == {"fluxbridge-read": "${FLUXBRIDGE_READ_TOKEN}"}
    provided, job = casc["jobs"]
    assert provided == {"providedEnv": {"FLUXBRIDGE_CI_SECRET": "${FLUXBRIDGE_CI_SECRET}"}}
    assert Path(job["file"]).name == "multibranch.groovy"


def test_what_signs_reports_is_in_the_folder_of_the_team(told: dict[str, Any]) -> None:
    tree = told["jobs"]["multibranch.groovy"]
    assert calls(tree, "folder") == ["team"]
    [xml] = calls(tree, "folder", "configure")
    [found] = ET.fromstring(xml).iterfind("properties/*/domainCredentialsMap/entry/*/*")  # noqa: S314 - ours
    assert found.tag == "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"
    assert (found.findtext("id"), found.findtext("secret")) == ("fluxbridge", f"encrypted {SECRET}")
    assert calls(tree, "multibranchPipelineJob", "properties") == []


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in PODS])
def test_a_pod_is_what_kubernetes_takes(path: Path) -> None:
    [pod] = documents(path)
    required("kubernetes_validate").validate(pod, "1.35", strict=True)
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        assert "privileged" not in container.get("securityContext", {})
        assert ":" in container["image"]
        assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in PODS])
def test_only_the_pod_that_warns_of_it_reaches_its_node(path: Path) -> None:
    [pod] = documents(path)
    reaches = [volume["name"] for volume in pod["spec"]["volumes"] if "hostPath" in volume]
    assert bool(reaches) == ("WARNING" in path.read_text(encoding="utf-8"))
    assert bool(reaches) == (path.name == "docker-pod.yaml")


def test_docker_can_write_where_it_builds() -> None:
    [pod] = documents(EXAMPLES / "docker-pod.yaml")
    [container] = pod["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    fixed = [one["mountPath"] for one in container["volumeMounts"] if one.get("readOnly")]
    assert environment["DOCKER_CONFIG"] in fixed
    assert not any(Path(environment["BUILDX_CONFIG"]).is_relative_to(path) for path in fixed)


@pytest.mark.parametrize("kind", ["docker-pod", "buildkit-pod", "helm-umbrella"])
def test_a_jenkinsfile_uses_containers_that_its_pod_has(kind: str) -> None:
    text = (EXAMPLES / f"Jenkinsfile.{kind}").read_text(encoding="utf-8")
    [[file, default]] = re.findall(r"yamlFile '(.+)'\n\s+defaultContainer '(.+)'", text)
    [pod] = documents(EXAMPLES / file)
    used = {default, *re.findall(r"container\('(.+)'\)", text)}
    assert used == {container["name"] for container in pod["spec"]["containers"]}
    assert file in text.splitlines()[1] + text.splitlines()[2]


def ran_script(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `run-tests.sh` with a stand-in for Docker."""
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": path, "CALLS": str(folder / "calls"), "STATUS": "0", **environment}
    script = [require_shell("sh"), str(EXAMPLES / "run-tests.sh"), *arguments]
    return subprocess.run(script, cwd=folder, env=given, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("shell", ["sh -n", "bash -n", "bash --posix -n"])
def test_the_script_is_one_that_shells_read(shell: str) -> None:
    program, *options = shell.split()
    command = [require_shell(program), *options, str(EXAMPLES / "run-tests.sh")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("status", [0, 3])
def test_the_script_ends_as_the_tests_ended(tmp_path: Path, status: int) -> None:
    command = f'echo "<testsuite/>" > "$TEST_REPORTS/unit.xml"; exit {status}'
    assert ran_script(tmp_path, TEST_COMMAND=command).returncode == status
    assert (tmp_path / "reports" / "unit.xml").exists()


def test_reports_of_an_earlier_run_are_gone(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "old.xml").write_text("<testsuite/>")
    ran_script(tmp_path, TEST_COMMAND="true")
    assert list((tmp_path / "reports").iterdir()) == []


@pytest.mark.parametrize("status", [0, 3])
def test_the_script_runs_in_the_image_and_leaves_no_container(tmp_path: Path, status: int) -> None:
    image = "registry.acme.example/team/app:$(id)"
    assert ran_script(tmp_path, image, STATUS=str(status), TEST_COMMAND="make check").returncode == status
    created, *_, removed = (tmp_path / "calls").read_text().splitlines()
    assert created == f"create --env TEST_REPORTS --entrypoint sh {image} -c make check"
    assert removed == "rm --force c0ntainer"
    assert (tmp_path / "reports" / "unit.xml").exists()


@pytest.mark.parametrize("step", ["fluxbridgeReport", "fluxbridgeTag", "fluxbridgeWait"])
def test_every_parameter_of_a_step_has_its_line_of_help(step: str) -> None:
    code = (VARS / f"{step}.groovy").read_text(encoding="utf-8")
    known = set(re.findall(r"\bargs\.(\w+)\b(?!\()", code))
    lines = (VARS / f"{step}.txt").read_text(encoding="utf-8").splitlines()
    heads = {
        name for line in lines for name in re.findall(r"\w+", re.split(r" {2,}", line)[0]) if not line.startswith(" ")
    }
    assert known - heads == set()


def test_every_step_has_its_help() -> None:
    assert {path.stem for path in VARS.glob("*.groovy")} == {path.stem for path in VARS.glob("*.txt")}


def test_the_page_names_every_file_and_none_that_is_not_there() -> None:
    named = set(re.findall(r"`((?:vars|examples|setup)/[\w./-]+)`", README))
    there = {
        str(path.relative_to(JENKINS))
        for path in JENKINS.rglob("*")
        if path.is_file() and path.suffix not in {".txt", ".md"}
    }
    assert named == there
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    assert [one for one in targets if not one.startswith("https://") and not (JENKINS / one).exists()] == []


def test_the_settings_of_the_page_are_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n# fluxbridge.yaml\n(.+?)```", README, re.DOTALL)
    assert len(blocks) == 2
    more = """
registries: {acme: {host: registry.acme.example}}
config_repos: {fleet: {url: /srv/fleet.git, branch: main, forge: {kind: local}}}
"""
    for block in blocks:
        path = tmp_path / "fluxbridge.yaml"
        path.write_text(block + more, encoding="utf-8")
        assert load(path, {}).sources


def test_the_page_is_told_that_only_stubs_have_run_it() -> None:
    [section] = re.findall(r"## What is proved, and what is not\n(.+)", README, re.DOTALL)
    assert [word for word in ("stubs", "CPS", "sandbox", "no Jenkins") if word not in section] == []
