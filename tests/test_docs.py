"""The pages say what the program says: commands, options, kinds, exit codes, metrics; and their examples work."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import typer
from ruamel.yaml import YAML

from app.cli import app
from app.cli.failures import exit_code
from app.core import errors
from app.core.errors import FluxbridgeError
from app.core.manifests.declared import Selector
from app.core.promotion.declared_fields import WrittenField
from app.core.promotion.rules import read_rules
from app.senders import SENDERS
from app.settings.config_repos import ConfigRepo
from app.settings.loading import load
from app.settings.secrets import named_secrets
from tests.end_to_end.bridge import JENKINS_SECRET, Bridge, build_report, fleet, running_bridge
from tests.parts import require_program

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    """The blocks of one language in the README."""
    return re.findall(rf"```{language}\n(.+?)```", README, re.DOTALL)


def example(first_line: str) -> str:
    """The block of the README that begins so."""
    [found] = [block for block in fenced("yaml") if block.startswith(first_line)]
    return found


def commands(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
    """Every command with the options that a user can give it."""
    below = getattr(command, "commands", {})
    for word, inner in below.items():
        yield from commands(inner, f"{name} {word}")
    if not below:
        given = [option for one in command.params for option in (*one.opts, *one.secondary_opts)]
        yield name, {option for option in given if option.startswith("--") and option != "--help"}


COMMANDS = dict(commands(typer.main.get_command(app), "fluxbridge"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_its_table_with_exactly_its_options(command: str) -> None:
    rows = re.findall(rf"^\| `{command}(?: [^`]*)?` \|(.+)$", text_of("cli.md"), re.MULTILINE)
    assert len(rows) == 1, f"docs/cli.md has {len(rows)} rows for {command}"
    assert set(re.findall(r"`(--[a-z-]+)`", rows[0])) == COMMANDS[command]


def test_the_tables_name_no_command_that_does_not_exist() -> None:
    named = re.findall(r"^\| `(fluxbridge [a-z ]+?)(?: [A-Z…/]+)?` \|", text_of("cli.md"), re.MULTILINE)
    assert sorted(named) == sorted(COMMANDS)


def test_every_kind_of_error_is_there_with_its_exit_code() -> None:
    kinds = [kind for kind in FluxbridgeError.__subclasses__() if kind.__module__ == errors.__name__]
    assert len(kinds) == 6
    for kind in kinds:
        assert f"| {exit_code(kind('x'))} | `{kind.__name__}` |" in text_of("cli.md")


def test_every_kind_of_source_has_its_section() -> None:
    assert sections("senders.md") == set(SENDERS)


def test_every_kind_of_forge_has_its_section() -> None:
    kinds = {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(forge_type())}
    assert sections("forges.md") == kinds


def sections(page: str) -> set[str]:
    return set(re.findall(r"^## kind: (.+)$", text_of(page), re.MULTILINE))


def forge_type() -> Any:
    return ConfigRepo.model_fields["forge"].annotation


@pytest.mark.parametrize("command", ["pip install uv && uv run fluxbridge demo", "uv run pytest"])
def test_the_readme_begins_with_the_two_commands(command: str) -> None:
    assert f"\n    {command}\n" in README


def test_the_settings_of_the_readme_are_read_and_observe_first(tmp_path: Path) -> None:
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(example("# fluxbridge.yaml\n"), encoding="utf-8")
    settings = load(path, {})
    assert set(settings.sources) == {"ci", "registry", "github", "prod-eu"}
    assert settings.config_repos["fleet"].mode == "observe"
    assert all(secret.env for _, secret in named_secrets(settings))


def test_the_rules_of_the_readme_are_read() -> None:
    rules = read_rules(example("# .fluxbridge.yaml\n").encode())
    assert [(stage.name, stage.requires_build) for stage in rules.stages] == [("staging", False), ("production", True)]


def test_the_declared_fields_of_their_page_are_read() -> None:
    blocks = re.findall(r"```yaml\n(# \.fluxbridge\.yaml\n.*?)```", text_of("fields.md"), re.DOTALL)
    kinds = {type(one.selector) for block in blocks for one in read_rules(block.encode()).declarations}
    assert len(blocks) > 1
    assert kinds <= set(get_args(Selector))


def test_every_kind_of_declared_field_is_on_its_page() -> None:
    told = set(re.findall(r"^\| `(\w+): ", text_of("fields.md"), re.MULTILINE))
    common = {"policy", "files"}
    assert told == {field.alias or name for name, field in WrittenField.model_fields.items()} - common


def test_the_other_examples_of_the_readme_are_yaml_and_post_to_its_sources() -> None:
    documents = [one for block in fenced("yaml") for one in YAML(typ="safe", pure=True).load_all(block)]
    assert all(isinstance(one, dict) for one in documents)
    posted = set(re.findall(r"/webhooks/([a-z-]+)", README))
    assert posted == {"ci", "registry", "github", "prod-eu"}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    lost = [one for one in targets if not one.startswith("https://") and not (page.parent / one).exists()]
    assert lost == []


@each_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:(?:app|docs|jenkins|\.ci)/|tests|migrations)[\w./-]*)`", page.read_text(encoding="utf-8"))
    lost = [one for one in named if not is_there(ROOT / one)]
    assert lost == []


def is_there(path: Path) -> bool:
    """An empty folder is no more in the repository than a file that was never written."""
    return path.is_file() or any(path.glob("*"))


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A running bridge, for what the pages say of one."""
    folder = tmp_path_factory.mktemp("docs")
    with running_bridge(folder, "sqlite", files=fleet()) as running:
        yield running


def test_every_metric_is_on_the_page_about_operations(bridge: Bridge) -> None:
    told = httpx.get(f"{bridge.url}/metrics", trust_env=False).text
    metrics = {name for name in re.findall(r"^# TYPE (\w+) ", told, re.MULTILINE) if not name.endswith("_created")}
    assert metrics
    assert set(re.findall(r"`(fluxbridge_\w+)`", text_of("operations.md"))) == metrics


def test_the_script_of_the_readme_sends_a_report_that_is_accepted(bridge: Bridge, tmp_path: Path) -> None:
    require_program("curl", "apt-get install -y curl")
    [jenkinsfile] = fenced("groovy")
    script = jenkinsfile.split("'''")[1]
    # Groovy would read them as its own before the shell sees any.
    assert "\\" not in script
    digest = bridge.put_image("1.4.2")
    (tmp_path / "report.json").write_bytes(build_report("1.4.2", digest=digest, number=77))
    environment = {**os.environ, "CI_HOOK_SECRET": JENKINS_SECRET, "FLUXBRIDGE_URL": bridge.url, "NO_PROXY": "*"}
    sent = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert sent.returncode == 0, sent.stderr
    bridge.wait_for("the build", lambda: [one for one in bridge.items("/builds") if one["number"] == 77])


def test_the_report_of_the_readme_has_every_part_that_counts() -> None:
    [jenkinsfile] = fenced("groovy")
    for part in ("schema", "job", "build_number", "result", "git", "commit", "images", "repository", "tag", "digest"):
        assert re.search(rf"\b{part}: ", jenkinsfile), part
