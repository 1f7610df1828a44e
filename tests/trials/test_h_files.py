"""Single files as estates have them: other encodings, templates beside fields, commented-out lines, pinned tags."""

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import pytest

from app.core.flux.resolved import About
from app.core.manifests.kinds.markers import MarkerScan, find_markers, set_fields
from app.db.database import Database
from tests.cli.console import Console
from tests.cli.folders import TAG, Folder
from tests.core.manifests.declared import edit, read_tree, rules_with
from tests.end_to_end.bridge import fleet
from tests.services.lanes import digest
from tests.trials.marked_fields import APP, applied, lane_of, staging

ESTATES = Path(__file__).parents[1] / "golden" / "estates"
ENCODINGS = [
    pytest.param(BOM_UTF8, "utf-8", id="UTF-8 with a mark"),
    pytest.param(BOM_UTF16_LE, "utf-16-le", id="UTF-16LE"),
    pytest.param(BOM_UTF16_BE, "utf-16-be", id="UTF-16BE"),
]
UTF_16 = ENCODINGS[1:]
DIGEST = "sha256:" + "1b" * 32
RELEASE = """\
# Grüße 🚀
kind: HelmRelease\r
spec:
  values:
    note: "ümlaut 🚀"  # x
    image: {repository: registry.acme.example/team/app, tag: 'é1.0.0'}
"""
FIELDS = "fields: [{policy: flux-system/app, files: f.yaml, helm_release: spec.values.image.tag}]"


def estate(name: str) -> dict[str, bytes]:
    """The files of a small repository by their paths."""
    root = ESTATES / name
    return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}


def test_a_policy_in_a_utf_16_file_is_a_policy() -> None:
    tree = read_tree(estate("utf-16-file"), rules_with("", policies=""))
    assert [str(one.name).rpartition(":")[2] for one in tree.policies] == ["flux-system/app", "flux-system/other"]
    assert [str(one.image) for one in tree.policies] == ["ghcr.io/acme/app", "ghcr.io/acme/other"]
    [report] = tree.reports
    assert report.file == "clusters/prod/repo16.yaml"
    assert "only the first of 2 documents" in report.what


@pytest.mark.parametrize(("mark", "encoding"), ENCODINGS)
def test_only_the_bytes_of_a_field_change_in_any_encoding(mark: bytes, encoding: str) -> None:
    before = mark + RELEASE.encode(encoding)
    after = mark + RELEASE.replace("é1.0.0", "2.0.0").encode(encoding)
    assert edit({"f.yaml": before}, rules_with(FIELDS)) == ({"f.yaml": after}, [])
    assert edit({"f.yaml": after}, rules_with(FIELDS)) == ({"f.yaml": after}, [])


@pytest.mark.parametrize(("mark", "encoding"), UTF_16)
@pytest.mark.parametrize(
    ("fields", "before", "after"),
    [
        pytest.param("kustomization: nginx", "images: # 🚀\n- name: nginx\n", "  newTag: 2.0.0\n", id="a key is added"),
        pytest.param("yaml: {path: a, pattern: 'v=(.*)'}", 'a: "🚀 v=1"\n', None, id="part of a text"),
    ],
)
def test_other_fields_of_utf_16_files_are_set(
    mark: bytes, encoding: str, fields: str, before: str, after: str | None
) -> None:
    rules = rules_with(f"fields: [{{policy: flux-system/app, files: f.yaml, {fields}}}]")
    wanted = before + after if after is not None else before.replace("v=1", "v=2.0.0")
    found = edit({"f.yaml": mark + before.encode(encoding)}, rules)
    assert found == ({"f.yaml": mark + wanted.encode(encoding)}, [])


@pytest.mark.parametrize(("mark", "encoding"), ENCODINGS)
def test_a_digest_behind_a_tag_is_seen_in_any_encoding(mark: bytes, encoding: str) -> None:
    rules = rules_with("fields: [{policy: flux-system/app, files: f.yaml, yaml: {path: a, pattern: ':([^@]+)@'}}]")
    tree = read_tree({"f.yaml": mark + f"a: é/x:1.0.0@{DIGEST}\n".encode(encoding)}, rules)
    assert [one.text for field in tree.fields for one in field.marked.neighbours] == [DIGEST]


@pytest.mark.parametrize(("mark", "encoding"), UTF_16)
def test_a_marker_in_utf_16_is_told_because_flux_never_looks_there(mark: bytes, encoding: str) -> None:
    scan = find_markers(mark + 'kind: A\na: 1.0.0 # {"$imagepolicy": "flux-system:app:tag"}\n'.encode(encoding))
    assert scan.fields == ()
    [refused] = scan.refused
    assert (refused.line, str(refused.marker)) == (2, "flux-system:app:tag")
    assert "save the file as UTF-8" in refused.why


def test_a_marker_behind_a_mark_of_utf_8_is_a_field() -> None:
    [field] = find_markers(BOM_UTF8 + b'a: 1.0.0 # {"$imagepolicy": "flux-system:app:tag"}\n').fields
    assert (field.start, field.text) == (6, "1.0.0")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(BOM_UTF16_LE + b"a\x00:\x00\xd8", "it is not UTF-16LE", id="half of a unit"),
        pytest.param(BOM_UTF16_BE + b"\x00a\xdc\x00", "it is not UTF-16BE", id="half of a pair"),
        pytest.param("apiVersion: image.toolkit.fluxcd.io/v1\n".encode("utf-16-le"), None, id="no mark"),
        pytest.param("apiVersion: image.toolkit.fluxcd.io/v1\n".encode("utf-32"), None, id="UTF-32"),
    ],
)
def test_what_yaml_does_not_take_for_utf_16_is_refused(content: bytes, what: str | None) -> None:
    rules = rules_with("fields: [{policy: flux-system/app, files: f.yaml, yaml: {path: a, part: tag}}]")
    files, reports = edit({"f.yaml": content}, rules)
    assert files == {"f.yaml": content}
    assert any((what or "cannot be parsed as YAML") in one for one in reports)


@pytest.mark.parametrize(
    ("place", "content"),
    [
        pytest.param("env: TAG", "TAG=1.0.0\n", id="an env file"),
        pytest.param("json: {path: tag}", '{"tag": "1.0.0"}', id="JSON"),
    ],
)
def test_formats_whose_readers_take_no_utf_16_are_refused_in_it(place: str, content: str) -> None:
    rules = rules_with(f"fields: [{{policy: flux-system/app, files: f, {place}}}]")
    [report] = read_tree({"f": content.encode("utf-16")}, rules).reports
    assert "not UTF-8" in report.what


def test_a_dry_run_shows_the_characters_of_a_utf_16_file(tmp_path: Path, console: Console) -> None:
    folder = Folder(tmp_path, console)
    folder.write(".fluxbridge.yaml", FIELDS.replace("flux-system/app", "flux-system/web").replace("f.yaml", "f.*"))
    (folder.path / "f.yaml").write_bytes(RELEASE.encode("utf-16"))
    selections = {"flux-system:web": "registry.acme.example/team/app:2.0.0"}
    shown = json.loads(folder.edit(selections, "--dry-run", "--json").out)
    assert "+    image: {repository: registry.acme.example/team/app, tag: '2.0.0'}\n" in shown["diff"]
    assert folder.edit(selections).code == 0
    assert (folder.path / "f.yaml").read_bytes() == RELEASE.replace("é1.0.0", "2.0.0").encode("utf-16")


def test_a_template_in_a_plain_value_leaves_the_file_editable() -> None:
    path = "clusters/prod/release.yaml"
    files = estate("braces-in-plain-scalar")
    rules = rules_with("", policies="policies: [{name: x, image: ghcr.io/acme/x, policy: {semver: {range: '*'}}}]")
    tree = read_tree(files, rules)
    assert [(str(one.policy).rpartition(":")[2], one.file) for one in tree.fields] == [("flux-system/app", path)]
    assert (tree.refused, tree.reports) == ((), ())
    [field] = find_markers(files[path]).fields
    edited = set_fields(files[path], {field.start: "ghcr.io/acme/app:2.0.0"})
    assert edited == files[path].replace(b"app:1.0.0", b"app:2.0.0")


@pytest.mark.parametrize(
    ("content", "fields", "why"),
    [
        pytest.param(
            "a: '{{ .tag }}' # {M}\nb: x.{{ .Values.host }}.example # {M}\nc: 1.0.0 # {M}\n",
            ["1.0.0"],
            "its value is a template",
            id="only the values that hold one",
        ),
        pytest.param(
            "{{- if .x }}\na: 1.0.0 # {M}\n{{- end }}\n", [], "the file is a template", id="a file that does not parse"
        ),
        pytest.param("a: {{ .tag }} # {M}\nb: 1.0.0 # {M}\n", ["1.0.0"], "its value is a template", id="no quotes"),
    ],
)
def test_what_is_a_template_is_refused_and_nothing_else(content: str, fields: list[str], why: str) -> None:
    scan = find_markers(content.replace("{M}", '{"$imagepolicy": "flux-system:app:tag"}').encode())
    assert [one.text for one in scan.fields] == fields
    assert scan.refused
    assert all(why in one.why for one in scan.refused)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("# image: x:1 # {M}", id="as people pin"),
        pytest.param('# - "x:1" # {M}', id="a quoted item"),
        pytest.param("# {name: x, tag: 1.0.0} # {M}", id="a mapping in braces"),
        pytest.param("##  tag: 1.0.0   ### {M}", id="many hashes"),
        pytest.param("# image: x#y:1 # {M}", id="a hash in the value"),
        pytest.param('# "$tag": 1.0.0 # {M}', id="a quoted key"),
        pytest.param("# # tag: 1.0.0 # {M}", id="commented out twice"),
        pytest.param("# tag: 1.0.0 # {'$imagepolicy': 'flux-system:app'}", id="a mistyped marker"),
        pytest.param('# tag: 1.0.0 # {"$imagepolicy": "${NS}:app:tag"}', id="a marker to be filled in"),
        pytest.param("# image: ghcr.io/imagepolicy:1 # {M}", id="an image of that name"),
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        pytest.param("a: x\n{}\nb: y\n", id="between keys"),
        pytest.param("a:\n  - x\n  {}\n  - y\n", id="between items"),
        pytest.param("a: [\n{}\n", id="no YAML"),
        pytest.param("{{{{ x }}}}: {{\n{}\n", id="a template"),
    ],
)
def test_a_line_that_is_commented_out_is_nothing_to_report(line: str, around: str) -> None:
    written = line.replace("{M}", '{"$imagepolicy": "flux-system:app:tag"}')
    assert find_markers(around.format(written).encode()) == MarkerScan()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("a: y # tag: 1.0.0 # {M}", id="behind a value"),
        pytest.param("# # # {M}", id="hashes only"),
        pytest.param("# {M} # kept", id="a note behind"),
        pytest.param("# {M} # {M}", id="two"),
    ],
)
def test_a_marker_with_nothing_commented_out_before_it_is_told(line: str) -> None:
    scan = find_markers(("b: z\n" + line.replace("{M}", '{"$imagepolicy": "flux-system:app:tag"}') + "\n").encode())
    assert [one.line for one in scan.problems] == [2]


def test_a_comment_of_many_hashes_costs_little() -> None:
    assert find_markers(b"a: x\n# b" + b" #" * 300_000 + b' {"$imagepolicy": "a:b"}\n') == MarkerScan()
    assert find_markers(b"a: x\n#" + b" # " * 300_000 + b' {"$imagepolicy": "a:b"}\n').problems


@pytest.mark.parametrize("value", ["${NS}:app", "flux-system:${APP}:tag", "${NS:=flux-system}:app:tag"])
def test_a_marker_that_is_filled_in_later_says_so(value: str) -> None:
    content = f'kind: A\nimage: x:1 # {{"$imagepolicy": "{value}"}}\n'.encode()
    scan = find_markers(content)
    assert (scan.fields, scan.refused) == ((), ())
    [problem] = scan.problems
    assert problem.line == 2
    assert "Flux fills in only in the cluster" in problem.what
    [report] = read_tree({"a.yaml": content}, rules_with("", policies="")).reports
    assert report.about is About.MARKER


def test_an_edit_by_hand_sets_tag_and_digest_together_or_neither(tmp_path: Path, console: Console) -> None:
    folder = Folder(tmp_path, console)
    before = f"tag: 1.0.0@{DIGEST} {TAG}\n"
    folder.write("values.yaml", before)
    for there in ("1.0.0", f"1.0.0@{DIGEST}"):
        assert folder.edit({"flux-system:web": f"web:{there}"}).code == 0
        assert folder.text("values.yaml") == before
    refused = folder.edit({"flux-system:web": "web:2.0.0"})
    assert refused.code == 1
    assert "values.yaml:1 wants the digest of web:2.0.0" in refused.out
    assert folder.text("values.yaml") == before
    other = DIGEST.replace("1b", "2c")
    assert folder.edit({"flux-system:web": f"web:2.0.0@{other}"}).code == 0
    assert folder.text("values.yaml") == f"tag: 2.0.0@{other} {TAG}\n"


def test_a_pull_request_brings_tag_and_digest_in_one_value_to_the_cluster(tmp_path: Path, database: Database) -> None:
    values = f"tag: 1.0.0@{digest('1.0.0')} {APP}\n"
    lane = lane_of(tmp_path, database, {**fleet(), **staging({"values.yaml": values})})
    [pull] = lane.open_pulls()
    wanted = f"tag: 1.1.0@{digest('1.1.0')} {APP}\n"
    assert lane.config.text(pull.head_sha, "apps/staging/values.yaml") == wanted
    assert [line.state for line in applied(lane, lane.merge_open())] == ["applied"]
    assert lane.open_pulls() == []
