"""The pull requests of a local forge, from the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console import ROOT, Console
from tests.end_to_end.bridge import Bridge, deployment
from tests.servers.bare_repository import BareRepository


def test_open_pull_requests_are_listed_and_shown_with_their_diff(proposed: Bridge, console: Console) -> None:
    listed, shown = console.run("pulls", "list"), console.run("pulls", "show", "1")
    assert "   1  open    fluxbridge/main/staging/" in listed.out
    assert proposed.forge.pull_request(1).title in listed.out
    assert "+    image: registry.acme.example/team/app:1.1.0" in shown.out
    assert "the highest version in the range" in shown.out


def test_a_merge_puts_the_tag_on_the_base_branch_by_name(proposed: Bridge, console: Console) -> None:
    ended = console.run("pulls", "merge", "1", "--by", "mira")
    assert ended.out.startswith("Merged 1 as ")
    assert proposed.text("apps/staging/app.yaml") == deployment("1.1.0")
    assert proposed.wait_for_state("staging", "1.1.0", "merged")["merged_by"] == "mira"
    assert console.run("pulls", "list").out == "No pull requests.\n"
    assert "   1  merged " in console.run("pulls", "list", "--all").out
    assert "only an open one can be merged" in console.refused(4, "pulls", "merge", "1")


def test_what_was_closed_is_held_until_it_is_reopened(proposed: Bridge, console: Console) -> None:
    assert console.run("pulls", "close", "1", "--by", "mira").code == 0
    assert "closed by mira" in proposed.wait_for_state("staging", "1.1.0", "closed")["reason"]
    assert console.run("pulls", "list", "--repo", "fleet").out == "No pull requests.\n"
    assert console.run("pulls", "reopen", "1", "--by", "mira").out == "Reopened 1.\n"
    proposed.wait_for_pull("staging", "1.1.0")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(("show", "99"), 3, "there is no pull request 99", id="no such number"),
        pytest.param(("list", "--repo", "other"), 2, "there are: fleet", id="no such repo"),
    ],
)
def test_what_is_not_there_is_said(asking: Console, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert said in asking.refused(code, "pulls", *arguments)


def test_with_several_local_forges_one_must_be_named(tmp_path: Path, console: Console) -> None:
    for name in ("one", "two"):
        BareRepository.create(tmp_path / f"{name}.git").commit("main", {"README.md": "Here.\n"})
    settings = tmp_path / "fluxbridge.yaml"
    entries = "".join(
        f"  {name}: {{url: ./{name}.git, branch: main, forge: {{kind: local}}}}\n" for name in ("one", "two")
    )
    settings.write_text(f"config_repos:\n{entries}")
    console.use(settings)
    assert "one, two" in console.refused(2, "pulls", "list")
    assert console.run("pulls", "list", "--repo", "two").out == "No pull requests.\n"


def test_a_diff_is_exact_for_programs_and_harmless_in_a_terminal() -> None:
    script = "from app.cli.terminal import pass_on; pass_on('a\\x1b[2J\\n\\tb\\u202e')"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == "a\x1b[2J\n\tb\u202e\n".encode()
    ours, theirs = os.openpty()
    try:
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=theirs, check=True)
        shown = os.read(ours, 1000)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"\x1b[2J" not in shown
    assert rb"a\x1b[2J" in shown
    assert rb"b\u202e" in shown
