"""`fluxbridge init rules` writes a first `.fluxbridge.yaml` and says what it could not decide."""

import shutil
from pathlib import Path

import pytest

from app.clients.git.working_folder import CannotReplace, WorkingFolder
from app.core.promotion.rules import RULES_FILE
from app.core.promotion.rules_reading import read_rules
from tests.cli.console import Console

GOLDEN = Path(__file__).parents[1] / "golden" / "rules"
DEMO = Path(__file__).parents[2] / "app" / "demo" / "config_repo"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A working tree with two environments and a file that both share."""
    return Path(shutil.copytree(GOLDEN / "folders" / "tree", tmp_path / "fleet"))


def test_rules_are_written_and_told(tree: Path, console: Console) -> None:
    ended = console.run("init", "rules", str(tree))
    assert (ended.code, ended.err) == (0, "")
    assert (tree / RULES_FILE).read_text(encoding="utf-8") == (GOLDEN / "folders" / "rules.yaml").read_text("utf-8")
    lines = ended.out.splitlines()
    assert lines[0] == f"{tree / RULES_FILE} is written."
    assert lines[1] == "Found: 2 roots, 2 stages (staging, production), 2 policies, 4 fields in 4 files."
    assert lines[2] == "Left to you:"
    assert "apps/base/api.yaml" in lines[3]
    assert lines[-1] == "  fluxbridge check"


def test_printed_rules_are_alone_on_standard_output(tree: Path, console: Console) -> None:
    ended = console.run("init", "rules", str(tree), "--print")
    assert ended.code == 0
    assert ended.out == (GOLDEN / "folders" / "rules.yaml").read_text(encoding="utf-8")
    assert ended.err.splitlines()[-1] == f"  fluxbridge init rules {tree}"
    assert not (tree / RULES_FILE).exists()


def test_rules_that_are_there_are_never_overwritten_unasked(tree: Path, console: Console) -> None:
    (tree / RULES_FILE).write_text("limits: {open: 3}\n", encoding="utf-8")
    said = console.refused(4, "init", "rules", str(tree))
    assert "--force" in said
    assert (tree / RULES_FILE).read_text(encoding="utf-8") == "limits: {open: 3}\n"
    ended = console.run("init", "rules", str(tree), "--force")
    assert ended.code == 0
    assert "only roots and variables are kept, not its limits" in ended.out
    assert read_rules((tree / RULES_FILE).read_bytes()).has_declared_stages


def test_rules_that_cannot_be_read_are_written_anew_when_asked(tree: Path, console: Console) -> None:
    (tree / RULES_FILE).write_text("stages: [\n", encoding="utf-8")
    ended = console.run("init", "rules", str(tree), "--force")
    assert ended.code == 0
    assert "cannot be read, so nothing of it is kept" in ended.out
    assert read_rules((tree / RULES_FILE).read_bytes()).has_declared_stages


def test_variables_that_were_filled_in_lead_on_and_stay(tmp_path: Path, console: Console) -> None:
    tree = Path(shutil.copytree(GOLDEN / "variables-that-only-clusters-know" / "tree", tmp_path / "fleet"))
    ended = console.run("init", "rules", str(tree))
    assert "the variable ENVIRONMENT of 2 roots" in ended.out
    assert ended.out.splitlines()[-1] == f"  fluxbridge init rules {tree} --force"
    given = [("prd", "01"), ("snd", "04")]
    roots = [
        f"{{path: services/environments/{name}/{number}, "
        f"variables: {{ENVIRONMENT: {name}, ENVIRONMENT_ID: '{number}'}}}}"
        for name, number in given
    ]
    (tree / RULES_FILE).write_text(f"roots: [{', '.join(roots)}]\n", encoding="utf-8")
    ended = console.run("init", "rules", str(tree), "--force")
    assert "the variable ENVIRONMENT of" not in ended.out
    assert "the variable REGISTRY of 2 roots" in ended.out
    rules = read_rules((tree / RULES_FILE).read_bytes())
    assert rules.variables["services/environments/snd/04"] == {"ENVIRONMENT": "snd", "ENVIRONMENT_ID": "04"}
    assert '      # REGISTRY: ""\n' in (tree / RULES_FILE).read_text(encoding="utf-8")


def test_the_demo_would_get_the_stages_that_it_has(tmp_path: Path, console: Console) -> None:
    tree = Path(shutil.copytree(DEMO, tmp_path / "fleet"))
    own = read_rules((tree / RULES_FILE).read_bytes())
    assert console.run("init", "rules", str(tree), "--force").code == 0
    found = read_rules((tree / RULES_FILE).read_bytes())
    assert {one.name: one.paths for one in found.stages} == {one.name: one.paths for one in own.stages}


def test_names_in_the_repository_become_nothing_but_text(tree: Path, console: Console) -> None:
    field = (tree / "apps/base/api.yaml").read_bytes()
    (tree / "apps/base/kustomization.yaml").write_text(
        'resources: [api.yaml, "x\\nlimits: {open: 1}\\n#.yaml"]\n', "utf-8"
    )
    for name in ("x\nlimits: {open: 1}\n#.yaml", "\x1b[31m\u2028limits: 1.yaml"):
        (tree / "apps/base" / name).write_bytes(field)
        (tree / "apps/production" / name).mkdir()
        (tree / "apps/production" / name / "prod.yaml").write_bytes(field)
    ended = console.run("init", "rules", str(tree))
    assert ended.code == 0
    assert {"\x1b", "\u2028"}.isdisjoint(ended.out)
    assert "limits: {open: 1}" not in ended.out.splitlines()
    assert read_rules((tree / RULES_FILE).read_bytes()).open_limit == read_rules(None).open_limit
    assert [line for line in (tree / RULES_FILE).read_text("utf-8").splitlines() if line.startswith("limits")] == []


def test_links_are_never_followed(tree: Path, tmp_path: Path, console: Console) -> None:
    (tmp_path / "elsewhere.yaml").write_text("{}\n", encoding="utf-8")
    (tree / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    ended = console.run("init", "rules", str(tree))
    assert "1 file not read: link.yaml: " in ended.out
    (tree / RULES_FILE).unlink()
    (tree / RULES_FILE).symlink_to(tmp_path / "elsewhere.yaml")
    console.refused(2, "init", "rules", str(tree), "--force")
    assert (tmp_path / "elsewhere.yaml").read_text(encoding="utf-8") == "{}\n"


def test_what_lies_behind_a_link_is_not_read(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "vars.env").write_text("ZONE=eu\n", encoding="utf-8")
    (tree / "linked").symlink_to(outside)
    working = WorkingFolder(tree, is_wanted=bool)
    assert working.read("apps/base/kustomization.yaml") == b"resources: [api.yaml]\n"
    paths = ["linked/vars.env", "linked", "../outside/vars.env", "apps/../linked/vars.env", "apps", "nothing/at/all"]
    assert [working.read(path) for path in paths] == [None] * len(paths)


def test_a_file_that_came_meanwhile_is_not_written_over(tree: Path) -> None:
    (tree / RULES_FILE).write_text("limits: {open: 3}\n", encoding="utf-8")
    with pytest.raises(CannotReplace, match="was not written: File exists"):
        WorkingFolder(tree, is_wanted=bool).create(RULES_FILE, b"")
    assert (tree / RULES_FILE).read_text(encoding="utf-8") == "limits: {open: 3}\n"


def test_a_folder_that_is_none_is_bad_input(tmp_path: Path, console: Console) -> None:
    assert "cannot be used as a folder" in console.refused(2, "init", "rules", str(tmp_path / "nothing"))
