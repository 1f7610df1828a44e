"""What pages list is what the program has: commands, errors, endpoints, metrics, kinds, exit codes, alerts."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import httpx
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from typer.testing import CliRunner

from app.cli.commands import app
from app.cli.failures import exit_code
from app.core.manifests.kinds.declared import Selector
from app.core.promotion import rules_reading
from app.core.promotion.gates.table import GATES
from app.core.promotion.rules_fields import WrittenField
from app.core.promotion.rules_reading import read_rules
from app.senders import SENDERS
from app.settings.config_repos import ConfigRepo
from app.settings.forges import Forge
from tests.docs.command_reference import commands, named, with_commands
from tests.docs.errors_reference import ROW, kinds, leaves, with_errors
from tests.docs.forges_reference import FORGES, with_forges
from tests.docs.pages import block, page
from tests.docs.senders_reference import with_senders
from tests.end_to_end.bridge import Bridge, fleet, running_bridge

WRITE = "write it anew: uv run python -m tests.docs.write"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A running bridge, for what the pages say of one."""
    with running_bridge(tmp_path_factory.mktemp("docs"), "sqlite", files=fleet()) as running:
        yield running


def test_the_commands_are_told_as_their_help_tells_them() -> None:
    assert with_commands(page("cli.md")) == page("cli.md"), WRITE


def test_every_command_is_told_once() -> None:
    assert sorted(named(page("cli.md"))) == sorted(commands())


def test_every_option_says_what_it_does() -> None:
    silent = [(name, each.names) for name, one in commands().items() for each in one.given if not each.help]
    assert silent == []


@pytest.mark.parametrize("group", ["", *sorted({name.partition(" ")[0] for name in commands() if " " in name})])
def test_a_list_of_commands_says_in_whole_what_each_does(group: str) -> None:
    shown = CliRunner().invoke(app, [*group.split(), "--help"], env={"COLUMNS": "80"}).output
    told = shown.partition("\nCommands:\n")[2].splitlines()
    assert told
    assert [line for line in told if line.endswith("...")] == []


def test_every_kind_of_error_is_there_with_its_exit_code() -> None:
    assert len(kinds()) == 6
    for kind in kinds():
        assert f"| {exit_code(kind('x'))} | `{kind.__name__}` |" in page("cli.md")


def test_the_errors_are_told_in_their_own_words() -> None:
    assert with_errors(page("troubleshooting.md")) == page("troubleshooting.md"), WRITE


def test_every_error_says_what_to_do() -> None:
    told = {row["name"]: row["answer"] for row in ROW.finditer(page("troubleshooting.md"))}
    assert set(told) == {error.__name__ for error in leaves()}
    assert [name for name, answer in told.items() if not answer] == []


def test_every_kind_of_source_has_its_section() -> None:
    assert sections("senders.md") == set(SENDERS)
    assert {kind for kind in SENDERS if f"| `{kind}` |" not in page("security.md")} == set()


def test_the_senders_are_told_as_they_tell_of_themselves() -> None:
    assert with_senders(page("senders.md")) == page("senders.md"), WRITE


def test_the_table_of_forges_is_that_of_their_capabilities() -> None:
    assert set(FORGES) == {kind_of(one) for one in get_args(get_args(Forge)[0])}
    assert with_forges(page("forges.md")) == page("forges.md"), WRITE


def kind_of(settings: type[BaseModel]) -> str:
    """The `kind` by which settings name a forge."""
    return str(get_args(settings.model_fields["kind"].annotation)[0])


def test_every_kind_of_forge_has_its_section() -> None:
    forges: Any = ConfigRepo.model_fields["forge"].annotation
    assert sections("forges.md") == {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(forges)}


def sections(name: str) -> set[str]:
    return set(re.findall(r"^## kind: (.+)$", page(name), re.MULTILINE))


def test_every_metric_is_on_the_page_about_operations(bridge: Bridge) -> None:
    told = {name for row in re.findall(r"^\| .*$", page("operations.md"), re.MULTILINE) for name in metrics_in(row)}
    assert told == metrics(bridge)


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\b(fluxbridge_\w+)", text))


def metrics(bridge: Bridge) -> set[str]:
    told = httpx.get(f"{bridge.url}/metrics", trust_env=False).text
    return {name for name in re.findall(r"^# TYPE (\w+) ", told, re.MULTILINE) if not name.endswith("_created")}


def test_the_alerts_to_copy_ask_for_metrics_that_there_are(bridge: Bridge) -> None:
    written = YAML(typ="safe", pure=True).load(block(page("operations.md"), "yaml", "alert:"))
    alerts = [one for group in written["groups"] for one in group["rules"]]
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for one in alerts for name in metrics_in(one["expr"])}
    assert len({one["alert"] for one in alerts}) == len(alerts) > 5
    assert asked <= metrics(bridge)
    assert all(set(one) == {"alert", "expr", "for", "labels", "annotations"} for one in alerts)


def test_every_endpoint_has_its_line(bridge: Bridge) -> None:
    described = bridge.get("/openapi.json")
    there = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    told = {(method, path) for method, path in re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", page("api.md"), re.MULTILINE)}
    parameter = re.compile(r"\{\w+\}")
    open_ones = {("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/proof")}
    open_ones |= {("POST", "/webhooks/{source}")}
    plain = {(method, parameter.sub("{}", path)) for method, path in there}
    assert {(method, parameter.sub("{}", path)) for method, path in told - open_ones} | {
        (method, parameter.sub("{}", path)) for method, path in open_ones if (method, path) in there
    } == plain | {("GET", "/api/v1/openapi.json")}
    assert open_ones <= told


def test_every_filter_of_an_endpoint_has_its_word(bridge: Bridge) -> None:
    described = bridge.get("/openapi.json")
    missing = []
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            line = line_of(method.upper(), path)
            wanted = {each["name"] for each in one.get("parameters", []) if each["in"] == "query"} - {"limit", "after"}
            missing += [(method, path, name) for name in wanted if f"`{name}`" not in line]
    assert missing == []


def line_of(method: str, path: str) -> str:
    wanted = re.sub(r"\\\{\w+\\\}", r"\\{\\w+\\}", re.escape(path))
    found = re.search(rf"^\| `{method} {wanted}` \|.*$", page("api.md"), re.MULTILINE)
    return found[0] if found else ""


def test_the_declared_fields_of_their_page_are_read() -> None:
    blocks = re.findall(r"```yaml\n(# \.fluxbridge\.yaml\n.*?)```", page("fields.md"), re.DOTALL)
    kinds_there = {type(one.selector) for each in blocks for one in read_rules(each.encode()).declarations}
    assert len(blocks) > 1
    assert kinds_there <= set(get_args(Selector))


def test_every_kind_of_declared_field_is_on_its_page() -> None:
    told = set(re.findall(r"^\| `(\w+): ", page("fields.md"), re.MULTILINE))
    common = {"policy", "files"}
    assert told == {field.alias or name for name, field in WrittenField.model_fields.items()} - common


def test_every_key_of_the_rules_has_its_line() -> None:
    told = set(
        re.findall(r"^\| `([a-z_.<>]+)` \|", page("concepts.md").partition("## `.fluxbridge.yaml`")[2], re.MULTILINE)
    )
    gates = {f"stages.<name>.requires.{key}" for key in GATES}
    assert told == set(keys_of(rules_reading._WrittenRules)) - {"stages.<name>.requires"} | gates


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of the rules; what fields and policies hold is on a page of its own."""
    for name, one in model.model_fields.items():
        inner = one.annotation
        if get_origin(inner) is dict:
            yield from keys_of(get_args(inner)[1], f"{prefix}{name}.<name>.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys_of(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
