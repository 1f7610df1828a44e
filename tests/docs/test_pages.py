"""The pages hang together: links and files are there, the README is short, examples are what the program takes."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from app.core.promotion.rules_reading import read_rules
from app.settings.loading import load
from app.settings.secrets import named_secrets
from tests.docs.pages import ROOT, block, blocks, page
from tests.end_to_end.bridge import JENKINS_SECRET, Bridge, build_report, fleet, running_bridge
from tests.parts import require_program, require_shell

README = (ROOT / "README.md").read_text(encoding="utf-8")
START = page("get-started.md")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in PAGES])


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A running bridge, to which examples are sent."""
    with running_bridge(tmp_path_factory.mktemp("docs"), "sqlite", files=fleet()) as running:
        yield running


@pytest.mark.parametrize("command", ["pip install uv && uv run fluxbridge demo", "uv run pytest"])
def test_the_readme_has_the_two_commands(command: str) -> None:
    assert f"\n    {command}\n" in README


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 80


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\(docs/([a-z-]+\.md)\)", README))
    assert linked == {path.name for path in PAGES if path.parent.name == "docs"}


@each_page
def test_every_link_leads_somewhere(path: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, place = target.partition("#")
        there = path.parent / file if file else path
        if not target.startswith("https://") and not (there.exists() and (not place or place in anchors(there))):
            lost.append(target)
    assert lost == []


def anchors(path: Path) -> set[str]:
    """The places of a page, as GitHub names them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_file_that_is_named_is_there(path: Path) -> None:
    named = re.findall(r"`((?:(?:app|docs|jenkins|deploy|\.ci)/|tests|migrations)[\w./-]*)`", path.read_text("utf-8"))
    assert [one for one in named if not is_there(ROOT / one)] == []


def is_there(path: Path) -> bool:
    """An empty folder is no more in the repository than a file that was never written."""
    return path.is_file() or any(path.glob("*"))


def test_the_settings_to_start_with_are_read_and_observe_first(tmp_path: Path) -> None:
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(block(START, "yaml", "# fluxbridge.yaml"), encoding="utf-8")
    settings = load(path, {})
    assert set(settings.sources) == {"ci", "registry", "github", "prod-eu"}
    assert settings.config_repos["fleet"].mode == "observe"
    assert all(secret.file for _, secret in named_secrets(settings))


def test_the_rules_to_start_with_are_read() -> None:
    rules = read_rules(block(START, "yaml", "# .fluxbridge.yaml").encode())
    assert [(stage.name, [key for key, _ in stage.requires]) for stage in rules.stages] == [
        ("staging", []),
        ("production", ["build"]),
    ]


def test_the_examples_to_start_with_are_yaml_and_post_to_its_sources() -> None:
    documents = [one for each in blocks(START, "yaml") for one in YAML(typ="safe", pure=True).load_all(each)]
    assert all(isinstance(one, dict) for one in documents)
    assert set(re.findall(r"/webhooks/([a-z-]+)", START)) == {"ci", "registry", "github"}


def test_the_report_without_the_library_is_accepted(bridge: Bridge, tmp_path: Path) -> None:
    require_program("curl", "apt-get install -y curl")
    [jenkinsfile] = blocks(page("senders.md"), "groovy")
    script = jenkinsfile.split("'''")[1]
    # Groovy would read them as its own before the shell sees any.
    assert "\\" not in script
    digest = bridge.put_image("1.4.2")
    (tmp_path / "report.json").write_bytes(build_report("1.4.2", digest=digest, number=77))
    environment = {**os.environ, "CI_HOOK_SECRET": JENKINS_SECRET, "FLUXBRIDGE_URL": bridge.url, "NO_PROXY": "*"}
    command = [require_shell(), "-euc", script]
    sent = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert sent.returncode == 0, sent.stderr
    bridge.wait_for("the build", lambda: [one for one in bridge.items("/builds") if one["number"] == 77])


def test_the_report_without_the_library_has_every_part_that_counts() -> None:
    [jenkinsfile] = blocks(page("senders.md"), "groovy")
    for part in ("schema", "job", "build_number", "result", "git", "commit", "images", "repository", "tag", "digest"):
        assert re.search(rf"\b{part}: ", jenkinsfile), part
