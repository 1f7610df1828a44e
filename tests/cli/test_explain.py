"""`fluxbridge explain`: readable in a terminal, whole as JSON, for known tags and for those of a file."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from app.cli.commands import explain
from app.core.errors import FluxbridgeError

APP = "images:flux-system/app"


def _run(*arguments: str, color: bool = False) -> Result:
    program = typer.Typer(pretty_exceptions_enable=False)
    program.command()(explain)
    return CliRunner().invoke(program, arguments, color=color)


def _told(*arguments: str) -> str:
    ended = _run(*arguments)
    assert ended.exit_code == 0, ended
    return ended.stdout


def _refused(*arguments: str) -> str:
    ended = _run(*arguments)
    assert isinstance(ended.exception, FluxbridgeError), ended
    assert ended.stdout == ""
    return str(ended.exception)


@pytest.mark.usefixtures("asking")
def test_the_chosen_tag_and_each_stage_are_told_without_colours() -> None:
    told = _told("flux-system/app")
    assert "\x1b" not in told
    assert told.startswith("images:flux-system/app\n")
    assert "'1.1.0' is the highest version in the range '>=1.0.0' of 2 eligible tags" in told
    assert "2 tags: 1 chosen, 1 lost" in told
    assert "> 1.1.0  chosen  " in told
    assert "  1.0.0  lost    lost to '1.1.0'" in told
    assert "staging: has 1.1.0; 1.1.0 is there already" in told
    assert "production: has 1.0.0; 1.1.0 waits" in told
    assert "1.1.0  wait: no build has reported" in told


@pytest.mark.usefixtures("asking")
def test_a_terminal_sees_colours() -> None:
    assert "\x1b[" in _run("flux-system/app", color=True).stdout


@pytest.mark.usefixtures("asking")
def test_the_whole_name_works_too_and_json_is_the_api_s_answer() -> None:
    told = json.loads(_told(APP, "--json"))
    assert (told["root"], told["tags"]["tag"], told["warnings"]) == ("images", "1.1.0", [])
    assert told == json.loads(_told("flux-system/app", "--repo", "fleet", "--root", "images", "--json"))


@pytest.mark.usefixtures("asking")
def test_a_push_is_tried_out() -> None:
    told = _told("flux-system/app", "--push", "registry.acme.example/team/app:1.2.0-rc.1")
    assert "1.2.0-rc.1: prerelease: a prerelease, kept out by '>=1.0.0'" in told
    assert "1.9.0 waits" in _told("flux-system/app", "--push", "registry.acme.example/team/app:1.9.0")


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    "content",
    [
        pytest.param("1.5.0\r\n\nlatest\n1.2\n", id="lines"),
        pytest.param('["1.5.0", "latest", "1.2"]', id="JSON"),
        pytest.param('\ufeff\n [ "1.2" ,\n"1.5.0","latest","1.5.0"]\n', id="JSON with a byte order mark"),
    ],
)
def test_the_spec_is_tried_on_the_tags_of_a_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tags"
    file.write_bytes(content.encode())
    told = json.loads(_told("flux-system/app", "--tags", str(file), "--json"))
    assert told["tags"]["counts"] == {"chosen": 1, "not_a_version": 2}
    assert [one["kind"] for one in told["warnings"]] == ["two_part_tags"]
    assert (told["stages"], told["commit"]) == ([], None)


@pytest.mark.usefixtures("asking")
def test_odd_tags_of_a_file_do_not_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "tags"
    file.write_bytes(b"1.5.0\n\x1b[31mred\n\xff\xfe\n" + b"x" * 2000 + b"\n\xe2\x80\xae\n")
    told = _told("flux-system/app", "--tags", str(file))
    assert "\\x1b[31mred" in told
    assert all(line.isprintable() for line in told.splitlines())
    assert json.loads(_told("flux-system/app", "--tags", str(file), "--json"))["tags"]["total"] == 5


@pytest.mark.usefixtures("asking")
def test_a_large_file_is_explained_in_few_lines(tmp_path: Path) -> None:
    file = tmp_path / "tags"
    file.write_text("".join(f"1.{number}.0-{'a' * 80}\n" for number in range(1, 12_001)))
    told = _told("flux-system/app", "--tags", str(file))
    assert "12000 prerelease" in told
    assert len(told.splitlines()) < 60


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param('["1.0.0"', "begins like JSON and is none", id="broken JSON"),
        pytest.param("[1, 2]", "holds more than strings", id="numbers"),
        pytest.param("[" * 100_000, "begins like JSON and is none", id="deep"),
    ],
)
def test_a_file_that_holds_no_tags_is_told(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "tags.json"
    file.write_text(content)
    assert said in _refused("flux-system/app", "--tags", str(file))


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["app"], "write NAMESPACE/NAME", id="no namespace"),
        pytest.param(["flux-system/"], "write NAMESPACE/NAME", id="no name"),
        pytest.param(["flux-system/other"], "no lane's last run saw a policy flux-system/other", id="no such policy"),
        pytest.param(["a/b", "--push", "x:1", "--tags", "x"], "give one of them", id="two questions"),
        pytest.param(["a/b", "--tags", "no-such-file"], "cannot be read", id="no such file"),
        pytest.param(["flux-system/app", "--push", "nginx:1"], "chooses from registry.acme.example", id="image"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told(arguments: list[str], said: str) -> None:
    assert said in _refused(*arguments)


@pytest.mark.usefixtures("asking")
def test_a_tag_is_told_from_delivery_to_gate() -> None:
    told = _told("registry.acme.example/team/app:1.1.0")
    assert told.splitlines()[0].endswith("/team/app:1.1.0")
    assert told.splitlines()[1].startswith("  known since ")
    assert "pushed as sha256:" in told
    assert "(registry, delivery " in told
    assert "images:flux-system/app in fleet:main selects 1.1.0" in told
    assert "  staging: there: the base branch has it" in told
    assert "  production: waits: no build has reported" in told
    assert "staging: merged #1: " in told
    assert json.loads(_told("registry.acme.example/team/app:1.1.0", "--json"))["tag"] == "1.1.0"


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("option", [("--push", "app:1"), ("--repo", "fleet"), ("--root", "images"), ("--tags", "f")])
def test_a_tag_takes_no_option_of_a_policy(option: tuple[str, str]) -> None:
    assert "leave out --tags, --push, --repo and --root" in _refused("registry.acme.example/team/app:1.1.0", *option)
