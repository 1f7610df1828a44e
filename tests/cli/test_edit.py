"""`fluxbridge edit` sets fields in a working directory, changing no other byte, and says what it did and did not do."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import edit
from app.cli.edit import write
from app.clients.git.working_folder import WorkingFolder
from app.core.errors import Refused
from app.core.manifests.kinds.markers import find_markers
from app.core.promotion.edit_plans import plan_edits
from app.core.promotion.given_images import InvalidSelections, Selected, read_selections
from tests.cli.console import Console
from tests.cli.folders import DIGEST, TAG, WEB, Folder


def test_fields_are_set_in_place_and_told(folder: Folder) -> None:
    folder.write("apps/web.yaml", f"kind:  Deployment\r\nimage: web:1 {WEB}\r\n")
    folder.write("Kustomization", f"newTag: '1' {TAG}")
    folder.write("other.yml", 'image: other:1 # {"$imagepolicy": "flux-system:other"}\n')
    ended = folder.edit({"flux-system:web": "ghcr.io/acme/web:1.10"})
    assert ended.code == 0, ended
    assert folder.text("apps/web.yaml") == f"kind:  Deployment\r\nimage: ghcr.io/acme/web:1.10 {WEB}\r\n"
    assert folder.text("Kustomization") == f"newTag: '1.10' {TAG}"
    assert folder.text("other.yml").startswith("image: other:1 ")
    assert ended.out.splitlines() == [
        "Kustomization:1: flux-system:web: 1 -> 1.10",
        "apps/web.yaml:2: flux-system:web: web:1 -> ghcr.io/acme/web:1.10",
        "2 fields in 2 files changed, 0 policies not set, 0 reports.",
    ]


def test_editing_again_changes_nothing_and_is_well(folder: Folder) -> None:
    file = folder.write("web.yaml", f"image: web:1 {WEB}\n")
    folder.edit({"flux-system:web": "web:2"})
    before = file.stat()
    ended = folder.edit({"flux-system:web": "web:2"})
    assert (ended.code, ended.out) == (0, "0 fields in 0 files changed, 0 policies not set, 0 reports.\n")
    assert file.stat().st_ino == before.st_ino


def test_only_what_an_edit_needs_is_loaded() -> None:
    """Its start is most of its time: no models of rules where a folder has none, no clusters, builds or database."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, app.cli.edit; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "app.core.promotion.edit_plans" in loaded
    needless = {
        "promotion.rules_reading",
        "promotion.rules",
        "promotion.gates.evidence",
        "promotion.state",
        "flux.tree",
        "flux.scanning",
        "kustomize",
    }
    assert not {f"app.core.{name}" for name in needless} & set(loaded)
    assert not {"pydantic", "sqlalchemy", "httpx", "asyncio"} & set(loaded)


def test_its_words_are_read_without_pydantic(tmp_path: Path) -> None:
    (tmp_path / "selections.json").write_text("{}")
    words = ["edit", str(tmp_path), "--selections", str(tmp_path / "selections.json")]
    program = "import atexit, sys, app.cli; atexit.register(lambda: print(*sys.modules)); app.cli.main(sys.argv[1:])"
    ended = subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True, text=True)
    assert "app.cli.edit" in ended.stdout.split()
    assert "pydantic" not in ended.stdout.split()


def test_no_selection_is_nothing_to_do(folder: Folder) -> None:
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    assert folder.edit({}).code == 0
    assert folder.text("web.yaml") == f"image: web:1 {WEB}\n"


def test_a_dry_run_prints_what_git_can_apply_and_writes_nothing(folder: Folder) -> None:
    texts = {
        "a.yaml": f"note: 'no line\u2028end'\r\nimage: web:1 {WEB}\r\n",
        "b c/d.yaml": f"image: web:1 {WEB}",
        "many.yaml": "".join(f"k{n}: v\n" for n in range(40)) + f"image: web:1 {WEB}\n" + "x: y\n" * 40,
    }
    for name, text in texts.items():
        folder.write(name, text)
    ended = folder.edit({"flux-system:web": f"web:2@{DIGEST}"}, "--dry-run")
    assert ended.code == 0
    assert {name: folder.text(name) for name in texts} == texts
    assert ended.out.splitlines()[-1] == "3 fields in 3 files would change, 0 policies not set, 0 reports."
    subprocess.run(["git", "apply", "-"], cwd=folder.path, input=ended.out.encode(), check=True)
    assert {name: folder.text(name) for name in texts} == {
        name: text.replace("web:1", f"web:2@{DIGEST}") for name, text in texts.items()
    }


def test_all_forms_of_one_policy_are_set_together(folder: Folder) -> None:
    parts = ("", ":name", ":tag", ":digest")
    text = "".join(f'a{n}: x # {{"$imagepolicy": "ns:web{part}"}}\n' for n, part in enumerate(parts))
    folder.write("web.yaml", text)
    assert folder.edit({"ns:web": f"web:2@{DIGEST}"}).code == 0
    values = [field.text for field in find_markers(folder.text("web.yaml").encode()).fields]
    assert values == [f"web:2@{DIGEST}", "web", "2", DIGEST]


def test_a_field_for_a_digest_that_is_not_known_keeps_its_policy_as_it_is(folder: Folder) -> None:
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    folder.write("digest.yaml", '\ndigest: old # {"$imagepolicy": "flux-system:web:digest"}\n')
    folder.write("api.yaml", 'image: api:1 # {"$imagepolicy": "flux-system:api"}\n')
    ended = folder.edit({"flux-system:web": "web:2", "flux-system:api": "api:2"})
    assert ended.code == 1
    assert folder.text("web.yaml") == f"image: web:1 {WEB}\n"
    assert folder.text("api.yaml").startswith("image: api:2 ")
    assert "not set flux-system:web: digest.yaml:2 wants the digest of web:2, which the selection" in ended.out


def test_a_field_that_cannot_be_set_keeps_its_policy_as_it_is(folder: Folder) -> None:
    folder.write("block.yaml", f'a: | {TAG}\nb: api:1 # {{"$imagepolicy": "flux-system:api"}}\n')
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2", "flux-system:api": "api:2"})
    assert ended.code == 1
    assert folder.text("web.yaml") == f"image: web:1 {WEB}\n"
    assert "b: api:2 #" in folder.text("block.yaml")
    assert "not set flux-system:web: block.yaml: line 1 was not edited: its block is empty" in ended.out


def test_a_named_policy_without_a_field_is_told_by_the_exit_code(folder: Folder) -> None:
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2", "flux-system:wbe": "web:2"})
    assert ended.code == 1
    assert "not set flux-system:wbe: no field of this policy was found" in ended.out
    assert folder.text("web.yaml").startswith("image: web:2 ")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        pytest.param("broken.yaml", f"a: [\nimage: web:1 {WEB}\n", 2, id="broken with a marker"),
        pytest.param("near.yaml", f"a: b\n{WEB}\nimage: web:1\n", 2, id="marker above an entry"),
        pytest.param("near.yaml", "image: web:1 # {'$imagepolicy': 'flux-system:web'}\n", 1, id="single quotes"),
    ],
)
def test_an_unrelated_file_that_cannot_be_edited_is_a_report(folder: Folder, name: str, text: str, line: int) -> None:
    file = folder.write(name, text)
    before = file.read_bytes()
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 0
    assert f"report  {name}:{line}: " in ended.out
    assert ended.out.endswith("1 field in 1 file changed, 0 policies not set, 1 report.\n")
    assert file.read_bytes() == before


def test_links_are_reported_and_never_followed(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "out.yaml").write_text(f"image: web:1 {WEB}\n", encoding="utf-8")
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    for name, target in {
        "out.yaml": "../outside/out.yaml",
        "absolute.yaml": str(outside / "out.yaml"),
        "in.yaml": "web.yaml",
        "dangling.yaml": "nothing.yaml",
        "loop.yaml": "loop.yaml",
        "outside": "../outside",
        "again": ".",
        "note.txt": "/etc/hostname",
    }.items():
        (folder.path / name).symlink_to(target)
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 0
    assert (outside / "out.yaml").read_text(encoding="utf-8") == f"image: web:1 {WEB}\n"
    assert (folder.path / "in.yaml").is_symlink()
    assert folder.text("web.yaml").startswith("image: web:2 ")
    reported = [line.split(":")[0].split()[1] for line in ended.out.splitlines() if line.startswith("report")]
    assert reported == ["absolute.yaml", "dangling.yaml", "in.yaml", "loop.yaml", "out.yaml", "outside"]
    assert "out.yaml:1: a symbolic link that leaves the tree ('../outside/out.yaml')" in ended.out
    assert "in.yaml:1: a symbolic link to web.yaml is not edited" in ended.out


def test_what_flux_does_not_read_is_left_alone(folder: Folder) -> None:
    names = [".git/a.yaml", "apps/.git/b.yaml", "a.YAML", "kustomization", "a.json", "a.yaml.tmpl"]
    for name in names:
        folder.write(name, f"image: web:1 {WEB}\n")
    folder.write(".fluxbridge.yaml", f"roots: [web] {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 1
    assert {folder.text(name) for name in names} == {f"image: web:1 {WEB}\n"}


def test_hidden_files_and_ignored_ones_are_read_as_by_flux(folder: Folder) -> None:
    folder.write(".gitignore", "*\n")
    folder.write(".hidden/.web.yaml", f"image: web:1 {WEB}\n")
    assert folder.edit({"flux-system:web": "web:2"}).code == 0
    assert folder.text(".hidden/.web.yaml").startswith("image: web:2 ")


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o444])
def test_the_mode_is_kept_and_nothing_is_left_behind(folder: Folder, mode: int) -> None:
    file = folder.write("web.yaml", f"image: web:1 {WEB}\n")
    file.chmod(mode)
    assert folder.edit({"flux-system:web": "web:2"}).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert [entry.name for entry in folder.path.iterdir()] == ["web.yaml"]


def test_a_reader_sees_the_old_file_or_the_new_one(folder: Folder) -> None:
    file = folder.write("web.yaml", f"image: web:1 {WEB}\n")
    with file.open("rb") as reader:
        assert folder.edit({"flux-system:web": "web:2"}).code == 0
        assert reader.read() == f"image: web:1 {WEB}\n".encode()


def test_a_name_that_would_block_or_deceive_is_reported(folder: Folder) -> None:
    os.mkfifo(folder.path / "pipe.yaml")
    folder.write("a\x1b[2J\n.yaml", f"a: [\nb: x {WEB}\n")
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 0
    assert "report  pipe.yaml:1: it is no regular file" in ended.out
    assert r"report  a\x1b[2J\n.yaml:2: " in ended.out


def test_json_has_the_same_and_the_diff(folder: Folder) -> None:
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    folder.write("broken.yaml", f"a: [ {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2", "a:b": "c:1"}, "--json", "--dry-run")
    assert ended.code == 1
    assert ended.json["is_dry_run"] is True
    assert ended.json["files"] == ["web.yaml"]
    changed = {"file": "web.yaml", "line": 1, "policy": "flux-system:web", "old": "web:1", "new": "web:2"}
    assert ended.json["fields"] == [changed]
    assert ended.json["not_set"] == [{"policy": "a:b", "why": "no field of this policy was found"}]
    assert [(one["file"], one["line"]) for one in ended.json["reports"]] == [("broken.yaml", 1)]
    assert ended.json["diff"].startswith("--- a/web.yaml\n+++ b/web.yaml\n")


@pytest.mark.parametrize(
    "content", [b"a: [\n", b"{{- if .x }}\na: b\n", b"\xff: b\n"], ids=["broken", "template", "bytes"]
)
def test_a_file_that_says_nothing_of_markers_is_not_parsed(folder: Folder, content: bytes) -> None:
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    folder.write("other.yaml", "").write_bytes(content)
    ended = folder.edit({"flux-system:web": "web:2"}, "--json")
    assert (ended.code, ended.json["reports"]) == (0, [])


@pytest.mark.parametrize(
    ("selections", "says"),
    [
        pytest.param("flux-system:web: [\n", "line 1 cannot be parsed as YAML", id="broken"),
        pytest.param("", "write one mapping", id="empty"),
        pytest.param("- a: b\n", "write one mapping", id="a list"),
        pytest.param("{}\n---\n{}\n", "write one mapping", id="two documents"),
        pytest.param("a:b: c:1\n\nweb: w:1\n", "line 3: 'web' is no policy", id="no namespace"),
        pytest.param("a:b:c: w:1\n", "line 1: 'a:b:c' is no policy", id="too many parts"),
        pytest.param("'a:b ': w:1\n", "'a:b ' is no policy", id="space"),
        pytest.param("a:b: web\n", "line 1: 'a:b': 'web' is no image reference: it has no tag", id="no tag"),
        pytest.param("a:b: 1.10\n", "'a:b': its image is no text", id="number"),
        pytest.param("a:b:\n", "'a:b': its image is no text", id="nothing"),
        pytest.param("a:b: {tag: x}\n", "'a:b': its image is no text", id="mapping"),
        pytest.param("a:b: W:1\n", "'W' is no image reference", id="upper case"),
        pytest.param("a:b: w:1@sha256:00\n", "its digest is not", id="short digest"),
        pytest.param("a:b: https://w/w:1\n", "leave the URL scheme out", id="scheme"),
        pytest.param('{"a:b": "w:1", "a:b": "w:2"}', "'a:b' is there twice", id="twice"),
    ],
)
def test_bad_input_is_told_with_its_place_and_nothing_is_edited(folder: Folder, selections: str, says: str) -> None:
    folder.write("web.yaml", 'image: web:1 # {"$imagepolicy": "a:b"}\n')
    assert says in folder.refused(selections)
    assert folder.text("web.yaml").startswith("image: web:1 ")


def test_every_bad_entry_is_told(folder: Folder) -> None:
    told = folder.refused("web: w:1\na:b: w:1\nc:d: 5\ne:f: w\n")
    assert [line in told for line in ("line 1: ", "line 2: ", "line 3: ", "line 4: ")] == [True, False, True, True]


def test_a_folder_or_a_file_that_is_not_there_is_bad_input(folder: Folder, console: Console, tmp_path: Path) -> None:
    folder.selections.write_text("{}", encoding="utf-8")
    nowhere = str(tmp_path / "nowhere")
    assert "it is not there" in console.refused(2, "edit", nowhere, "--selections", str(folder.selections))
    given = ("edit", str(folder.selections), "--selections", str(folder.selections))
    assert "it is no folder" in console.refused(2, *given)
    assert "cannot be read" in console.refused(2, "edit", str(folder.path), "--selections", nowhere)


def test_a_file_with_the_longest_name_is_replaced(folder: Folder) -> None:
    name = "w" * 250 + ".yaml"
    folder.write(name, f"image: web:1 {WEB}\n")
    assert folder.edit({"flux-system:web": "web:2"}).code == 0
    assert folder.text(name).startswith("image: web:2 ")


def test_a_file_that_cannot_be_written_is_the_operators_matter(folder: Folder) -> None:
    (folder.path / "web.yaml" / "in the way").mkdir(parents=True)
    with pytest.raises(Refused, match=r"web\.yaml was not written: .+; see to its folder's rights and space"):
        WorkingFolder(folder.path, is_wanted=bool).replace({"web.yaml": b"new"})
    assert [entry.name for entry in folder.path.iterdir()] == ["web.yaml"]


def test_no_file_is_written_when_one_cannot_be(folder: Folder, console: Console) -> None:
    small, large = f"image: web:1 {WEB}\n", f"image: web:1 {WEB}\n" + "x: y\n" * 1000
    folder.write("a.yaml", small)
    folder.write("b.yaml", large)
    folder.selections.write_text("'flux-system:web': web:2\n", encoding="utf-8")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        told = console.refused(6, "edit", str(folder.path), "--selections", str(folder.selections))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "b.yaml was not written: File too large (no other file written)" in told
    assert {entry.name for entry in folder.path.iterdir()} == {"a.yaml", "b.yaml"}
    assert (folder.text("a.yaml"), folder.text("b.yaml")) == (small, large)


def test_what_was_written_before_a_failure_is_told(folder: Folder) -> None:
    text = f"image: web:1 {WEB}\n"
    plan = plan_edits(
        dict.fromkeys(("a.yaml", "b.yaml", "c.yaml"), text.encode()), {"flux-system:web": Selected("web", "2")}
    )
    folder.write("a.yaml", text)
    (folder.path / "b.yaml" / "in the way").mkdir(parents=True)
    folder.write("c.yaml", text)
    done, failure = write(WorkingFolder(folder.path, is_wanted=bool), plan)
    assert [one.path for one in done.files] == [one.file for one in done.fields] == ["a.yaml"]
    assert "b.yaml was not written" in str(failure)
    assert "(1 before it written)" in str(failure)
    assert (folder.text("a.yaml"), folder.text("c.yaml")) == (f"image: web:2 {WEB}\n", text)
    assert {entry.name for entry in folder.path.iterdir()} == {"a.yaml", "b.yaml", "c.yaml"}


@pytest.mark.parametrize(
    ("kind", "says"), [("link", "it is a symbolic link"), ("folder", "Is a directory"), ("pipe", "no regular file")]
)
def test_rules_that_are_no_file_are_bad_input(folder: Folder, kind: str, says: str) -> None:
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    rules = folder.path / ".fluxbridge.yaml"
    if kind == "link":
        rules.symlink_to("web.yaml")
    elif kind == "folder":
        rules.mkdir()
    else:
        os.mkfifo(rules)
    told = folder.refused('"flux-system:web": "web:2"')
    assert ".fluxbridge.yaml cannot be read: " in told
    assert says in told
    assert folder.text("web.yaml") == f"image: web:1 {WEB}\n"


@pytest.mark.parametrize("name", [b"w\xff.yaml", 'caf\u00e9 "x\\.yaml'.encode(), b"a\tb.yaml", "l\u2028.yaml".encode()])
def test_a_diff_of_an_odd_name_is_taken_by_git(folder: Folder, name: bytes) -> None:
    file = folder.path / os.fsdecode(name)
    file.write_text(f"image: web:1 {WEB}\n", encoding="utf-8")
    ended = folder.edit({"flux-system:web": "web:2"}, "--dry-run")
    assert ended.code == 0
    subprocess.run(["git", "apply", "-"], cwd=folder.path, input=ended.out.encode(), check=True)
    assert file.read_text(encoding="utf-8") == f"image: web:2 {WEB}\n"


def test_selections_keep_the_name_as_written() -> None:
    read = read_selections(f'"a:b": nginx:1.27\nc:d: "localhost:5000/web:1@{DIGEST}"\n'.encode())
    assert read == {"a:b": Selected("nginx", "1.27"), "c:d": Selected("localhost:5000/web", "1", DIGEST)}
    assert str(read["c:d"]) == f"localhost:5000/web:1@{DIGEST}"


def test_json_indented_with_tabs_and_a_byte_order_mark_is_read() -> None:
    assert read_selections('\ufeff{\r\n\t"a:b":\t"w:1"\r\n}'.encode()) == {"a:b": Selected("w", "1")}
    with pytest.raises(InvalidSelections):
        read_selections(b"\xff")


def test_the_command_tells_its_exit_codes() -> None:
    assert "1: one has no field" in " ".join((edit.__doc__ or "").split())
