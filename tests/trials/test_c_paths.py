"""Trials C: near-miss markers and the paths of stages are told wherever somebody would look."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.manifests.kinds.markers import find_markers
from app.core.promotion.rules_reading import read_rules
from app.db.database import Database
from app.services.reading.lanes import list_lanes
from tests.cli.console import Console
from tests.end_to_end.bridge import deployment
from tests.services.lanes import Lane
from tests.trials.lane_plans import STAGING, explained, one_app, outcome, planned


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app at 1.0.0, whose repository was listed with it."""
    return one_app(tmp_path, database)


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal on this machine."""
    return Console(capsys, monkeypatch)


# C4: a marker inside of a text.

M = '# {"$imagepolicy": "flux-system:app"}'
IMG = "registry.acme.example/team/app:1.0.0"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(f"a: |\n  one: 1\n  image: {IMG} {M}\n", [3], id="a block scalar"),
        pytest.param(f"a: >-\n  image: {IMG} {M}\n\n  image: {IMG} {M}\n", [2, 4], id="a folded scalar"),
        pytest.param(f"a: 'image: {IMG} {M}'\n", [1], id="single quotes"),
        pytest.param('a: "image: x # {\\"$imagepolicy\\": \\"flux-system:app\\"}"\n', [1], id="double quotes"),
        pytest.param("a: \"one\n  image: x # {'$imagepolicy': 1}\"\n", [2], id="double quotes of two lines"),
        pytest.param('a: |\n  {"tag": "1", "$imagepolicy": "flux-system:app:tag"}\n', [2], id="JSON"),
        pytest.param(f"a: |\n  image: {IMG} # {{$imagepolicy: x}}\n", [2], id="a mistyped one"),
        pytest.param(f"- |\n  image: {IMG} {M}\n", [], id="in a file that Flux skips"),
    ],
)
def test_a_marker_inside_of_a_text_is_reported(content: str, lines: list[int]) -> None:
    scan = find_markers(content.encode())
    assert scan.fields == ()
    inside = [one for one in scan.problems if "inside of a text" in one.what]
    assert [one.line for one in inside] == lines or not lines


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"a: x\n# image: {IMG} {M}\n", id="a line that is commented out"),
        pytest.param(f"a:\n  - x\n  #  - image: {IMG} {M}\n", id="an item that is commented out"),
        pytest.param(f"a: x\n#image: {IMG} {M}\n", id="without a space"),
        pytest.param(f'a: x\n# "image": "{IMG}" {M}\n', id="with quotes"),
        pytest.param(f"a: |\n  # image: {IMG} {M}\n  b\n", id="in a text"),
        pytest.param(f"a: [\n# image: {IMG} {M}\n", id="in a file that is no YAML"),
    ],
)
def test_a_line_that_is_commented_out_is_no_near_miss(content: str) -> None:
    scan = find_markers(content.encode())
    assert (scan.fields, scan.problems) == ((), ())


def test_a_block_scalar_may_have_its_own_marker_and_one_inside() -> None:
    scan = find_markers(f"a: | {M}\n  image: {IMG} {M}\n".encode())
    assert [one.line for one in scan.fields] == [1]
    assert [one.line for one in scan.problems] == [2]


def test_a_marker_inside_of_a_text_is_told_wherever_its_neighbour_moves(lane: Lane) -> None:
    lane.push("1.1.0")
    written = deployment("1.0.0") + f"extra: |\n  image: {IMG} {M}\n"
    found = planned(lane, {STAGING: written, "apps/staging/other/app.yaml": f"x: |\n  image: {IMG} {M}\n"})
    told = [(one.file, one.line) for one in found.noticed]
    assert told == [(STAGING, 8), ("apps/staging/other/app.yaml", 2)]
    [pull] = lane.open_pulls()
    assert f"`{STAGING}:8` `this marker stands inside of a text" in pull.body
    assert "other/app.yaml" not in pull.body
    near = [one.place for one in explained(lane).warnings if one.kind == "near_miss_marker"]
    assert near == [f"{STAGING}:8"]


# C11: the paths of stages.

GLOBBED = """\
stages:
  prod: {paths: ["apps/*/*/prod.yaml"], requires: {build: success}}
  rest: {paths: [apps]}
"""
PROD = "apps/shop/web/prod.yaml"


def test_a_pattern_takes_its_files_from_a_wider_path(lane: Lane) -> None:
    lane.now += timedelta(days=2)
    lane.push("1.1.0")
    found = planned(lane, {".fluxbridge.yaml": GLOBBED, PROD: deployment("1.0.0")})
    assert [one.stage for one in found.proposals] == ["rest"]
    assert outcome(found, "prod").standing == "waiting"
    assert found.noticed == []


@pytest.mark.parametrize(
    ("paths", "file", "stage"),
    [
        pytest.param({"a": ["apps/*/prod"], "b": ["apps"]}, "apps/x/prod/y/app.yaml", "a", id="a folder by a pattern"),
        pytest.param({"a": ["apps/**/prod.yaml"], "b": ["apps"]}, "apps/prod.yaml", "a", id="any folders, also none"),
        pytest.param({"a": ["apps/pro?"], "b": ["apps"]}, "apps/prod/app.yaml", "a", id="one character"),
        pytest.param({"a": ["apps/*/app.yaml"], "b": ["apps/x"]}, "apps/x/app.yaml", "b", id="the longest literal"),
        pytest.param({"a": ["apps/*.yaml"], "b": ["apps"]}, "apps/x/app.yaml", "b", id="a star is no slash"),
        pytest.param({"a": ["apps/prod*"], "b": ["apps/staging"]}, "apps/staging2/app.yaml", None, id="none"),
        pytest.param({"a": ["*/prod"], "b": ["**/prod/app.yaml"]}, "apps/prod/app.yaml", None, id="a tie"),
        pytest.param({"a": ["./apps/*/", "apps/x*"]}, "apps/x/app.yaml", "a", id="two of one stage"),
        pytest.param({"a": ["./"]}, "any/app.yaml", "a", id="the repository"),
    ],
)
def test_the_longest_literal_beginning_decides(paths: dict[str, list[str]], file: str, stage: str | None) -> None:
    written = {"stages": {name: {"paths": some} for name, some in paths.items()}}
    found = read_rules(json.dumps(written).encode()).stage_of(file)
    assert (found.name if found else None) == stage


def test_a_file_that_two_stages_claim_alike_is_not_edited_and_told(lane: Lane) -> None:
    lane.push("1.1.0")
    tied = (
        'stages: {one: {paths: ["apps/*/app.yaml"]}, two: {paths: ["apps/s*"]}, three: {paths: ["apps/s*/app.yaml"]}}\n'
    )
    found = planned(lane, {".fluxbridge.yaml": tied})
    assert found.proposals == []
    [told] = [one for one in found.noticed if one.file == STAGING]
    assert "the stages two and three claim it alike: not edited" in told.what
    assert told.is_error


@pytest.mark.parametrize(
    ("prod", "said"),
    [
        pytest.param("apps/prod", "stages.prod.paths: no file of the repository matches 'apps/prod'", id="a folder"),
        pytest.param("apps/*/*/*/prod.yaml", "no file of the repository matches", id="a pattern"),
        pytest.param("**/prod.yaml", f"such as {PROD} in rest", id="a pattern that is weaker than all others"),
    ],
)
def test_a_path_that_holds_nothing_is_an_error(
    lane: Lane, tmp_path: Path, console: Console, prod: str, said: str
) -> None:
    rules = GLOBBED.replace("apps/*/*/prod.yaml", prod)
    found = planned(lane, {".fluxbridge.yaml": rules, PROD: deployment("1.0.0")})
    [told] = [one for one in found.noticed if one.file == ".fluxbridge.yaml"]
    assert said in told.what
    with lane.database.transaction() as connection:
        [shown] = list_lanes(connection).items
    assert shown.problems == [f".fluxbridge.yaml:1: {told.what}"]
    settings = tmp_path / "fluxbridge.yaml"
    settings.write_text("config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n")
    console.use(settings)
    ended = console.run("check")
    assert ended.code == 1
    assert f"\n      .fluxbridge.yaml: {told.what}" in ended.out
    assert "\nWRONG config_repos.fleet (" in ended.out
    assert "): main: 1 policies" in ended.out


def test_a_stage_whose_other_paths_hold_something_is_told_of_the_one_that_does_not(lane: Lane) -> None:
    rules = 'stages: {staging: {paths: [apps/staging, "apps/stagin"]}}\n'
    found = planned(lane, {".fluxbridge.yaml": rules})
    assert [one.what for one in found.noticed if one.is_error] == [
        "stages.staging.paths: no file of the repository matches 'apps/stagin'"
    ]


# C12: what a pull request says beside its change.


def test_a_pull_request_tells_of_its_own_folders_only(lane: Lane) -> None:
    lane.push("1.1.0")
    odd = "image: x # {'$imagepolicy': 'flux-system:app'}\n"
    files = {
        "apps/staging/kustomization.yaml": "resources: [app.yaml, [odd]]\n",
        "apps/staging/beside.yaml": odd,
        "apps/staging/team/other.yaml": odd,
        "apps/kustomization.yaml": odd,
        "teams/other.yaml": odd,
        ".fluxbridge.yaml": "fields: [{policy: flux-system/app, files: nowhere.yaml, yaml: image}]\n",
    }
    planned(lane, files)
    [pull] = lane.open_pulls()
    noticed = pull.body.partition("worth a look")[2]
    assert "apps/staging/beside.yaml" in noticed
    assert ".fluxbridge.yaml" in noticed
    assert "apps/staging/team/other.yaml" not in noticed
    assert "apps/kustomization.yaml" not in noticed, "there is a nearer one"
    assert "teams/other.yaml" not in noticed


def test_a_pull_request_tells_of_the_kustomization_above_its_files(lane: Lane) -> None:
    lane.push("1.1.0")
    odd = "images: [] # {'$imagepolicy': 'flux-system:app'}\n"
    planned(lane, {"apps/kustomization.yaml": odd, "apps/beside.yaml": odd})
    [pull] = lane.open_pulls()
    noticed = pull.body.partition("worth a look")[2]
    assert "apps/kustomization.yaml" in noticed
    assert "apps/beside.yaml" not in noticed
