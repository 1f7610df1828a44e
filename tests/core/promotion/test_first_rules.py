"""First rules for a config repository: each field is in one stage or told, and the file is what the rules will read."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.flux.paths import folder_of
from app.core.flux.selectors import LabelRequirement
from app.core.flux.written import WrittenAutomation
from app.core.promotion.first_rules.environments import environments_of_roots
from app.core.promotion.first_rules.proposal import FirstRoot, FirstRules, FoundAutomation, Unusable
from app.core.promotion.first_rules.stages import FirstStages, propose_stages
from app.core.promotion.first_rules.telling import found_in, left_to_people
from app.core.promotion.first_rules.writing import write_rules
from app.core.promotion.rules import Rules
from app.core.promotion.rules_reading import read_rules
from tests.core.promotion.first_rules import propose, read_tree

GOLDEN = Path(__file__).parents[2] / "golden" / "rules"
CASES = [pytest.param(case, id=case.name) for case in sorted(GOLDEN.iterdir())]
STG_AND_PROD = ("clusters/prod/00", "clusters/prod/01", "clusters/stg/00")


def _rules(stages: FirstStages, *, roots: Iterable[FirstRoot] = (), **found: tuple[FoundAutomation, ...]) -> Rules:
    first = FirstRules(
        roots=tuple(roots), stages=stages, fields={}, automations=found.get("automations", ()), policies=0, unusable=()
    )
    return read_rules(write_rules(first).encode())


def _stages(applied_by: Mapping[str, Iterable[str]], roots: Iterable[str] = STG_AND_PROD) -> dict[str, str]:
    """The stage of each file by the rules that are written; empty where it is left."""
    found = propose_stages(applied_by.keys(), {file: tuple(its) for file, its in applied_by.items()}, roots)
    rules = _rules(found)
    left = {one.file for one in found.left}
    staged = {file: rules.stage_of(file) for file in applied_by}
    assert {file for file, stage in staged.items() if stage is None} == left
    return {file: stage.name if stage else "" for file, stage in staged.items()}


@pytest.mark.parametrize("case", CASES)
def test_rules_are_made_of_what_a_tree_tells(case: Path) -> None:
    first = propose(read_tree(case / "tree"))
    assert write_rules(first) == (case / "rules.yaml").read_text(encoding="utf-8")
    assert [found_in(first), *left_to_people(first)] == (case / "told.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_as_it_is_meant(case: Path) -> None:
    first = propose(read_tree(case / "tree"))
    rules = read_rules(write_rules(first).encode())
    assert rules.roots == tuple(root.path for root in first.roots)
    left = {one.file for one in first.stages.left}
    assert {file for file in first.fields if rules.stage_of(file) is None} == left


def test_the_order_of_files_changes_nothing() -> None:
    files = read_tree(GOLDEN / "automations" / "tree")
    backwards = dict(reversed(list(files.items())))
    assert write_rules(propose(files)) == write_rules(propose(backwards))


@pytest.mark.parametrize(
    ("roots", "words"),
    [
        pytest.param(["clusters/prod/00", "clusters/stg/01"], ["prod", "stg"], id="numbers below"),
        pytest.param(["clusters/prod/eu", "clusters/prod/us"], ["prod", "prod"], id="regions below"),
        pytest.param(["clusters/prod-eu", "clusters/lab"], ["prod-eu", "lab"], id="names of their own"),
        pytest.param(["eu/flux", "us/flux"], ["eu", "us"], id="what all share tells nothing"),
        pytest.param(["flux/cluster"], [], id="one alone"),
        pytest.param(["flux/production"], ["production"], id="one with a usual name"),
    ],
)
def test_roots_tell_environments_by_what_differs(roots: list[str], words: list[str]) -> None:
    assert list(environments_of_roots(roots).values()) == words


@pytest.mark.parametrize(
    ("files", "stages"),
    [
        pytest.param(["clusters/prod/00/a.yaml", "clusters/stg/00/a.yaml"], ["prod", "stg"], id="clusters"),
        pytest.param(["apps/a/prod/x.yaml", "apps/b/dev/x.yaml"], ["prod", "dev"], id="folders below apps"),
        pytest.param(
            ["apps/a/x/prod.yaml", "apps/pre/x/dev.yaml", "apps/b/dev.yaml"], ["prod", "dev", "dev"], id="files"
        ),
        pytest.param(["a/values-prod.yaml", "b/values-stg.yaml"], ["prod", "stg"], id="ends of names"),
        pytest.param(["a/dev-values.yaml", "b/prd-values.yaml"], ["dev", "prd"], id="starts of names"),
        pytest.param(["a/pre-api.yaml", "b/prod/x.yaml"], ["", "prod"], id="a word in one name is none"),
        pytest.param(["apps/pre/x/a.yaml", "apps/web/x/a.yaml", "apps/db/x/prod.yaml"], ["", "", "prod"], id="a team"),
        pytest.param(["a/stage/x.yml", "b/stg/x.yml"], ["stage", "stage"], id="two spellings of one"),
        pytest.param(["x/test/prod.yaml", "y/test/dev.yaml", "z/prod/x.yaml"], ["prod", "dev", "prod"], id="both"),
        pytest.param(["dev/a.yaml", "PROD/a.yaml", "on/a.yaml"], ["dev", "prod", ""], id="upper case"),
        pytest.param(["dev/a.yaml", "prod/*.yaml", "x/*.yaml"], ["dev", "prod", ""], id="stars in names"),
    ],
)
def test_paths_tell_stages(files: list[str], stages: list[str]) -> None:
    assert list(_stages(dict.fromkeys(files, ())).values()) == stages


def test_a_file_without_a_word_is_of_the_one_environment_whose_clusters_apply_it() -> None:
    prod, stg = ("clusters/prod/00", "clusters/prod/01"), ("clusters/stg/00",)
    stages = _stages(
        {"a/a.yaml": prod, "a/prod.yaml": prod, "b/b.yaml": (*prod, *stg), "b/stg.yaml": stg, "c.yaml": ()}
    )
    assert stages == {"a/a.yaml": "prod", "a/prod.yaml": "prod", "b/b.yaml": "", "b/stg.yaml": "stg", "c.yaml": ""}


def test_a_file_that_two_patterns_claim_is_named_itself() -> None:
    files = ["a/x/prod/dev.yaml", "b/prod/web.yaml", "a/y/dev.yaml", "a/z/stg.yaml", "a/z/prod.yaml", "b/x/prod/a.yaml"]
    stages = _stages(dict.fromkeys(files, ()))
    assert stages["a/x/prod/dev.yaml"] in ("dev", "prod")
    assert "" not in stages.values()


def test_a_file_that_other_environments_apply_too_is_told() -> None:
    found = propose_stages(["a/prod.yaml", "a/stg.yaml"], {"a/prod.yaml": STG_AND_PROD}, STG_AND_PROD)
    assert [(one.file, one.stage, one.others) for one in found.elsewhere] == [("a/prod.yaml", "prod", ("stg",))]


def test_more_files_than_rules_hold_are_left() -> None:
    files = [f"apps/{'long' * 20}-{number}/app.yaml" for number in range(1500)]
    stages = _stages({file: ["clusters/prod/00"] for file in files})
    assert set(stages.values()) == {"prod", ""}


def test_more_roots_than_rules_take_are_left_out() -> None:
    assert _rules(FirstStages(), roots=[FirstRoot(f"clusters/{number}") for number in range(1001)]).roots == ()


def test_all_that_is_written_at_most_is_read() -> None:
    single = [f"{'長' * 60}/{number}/app.yaml" for number in range(1000)]
    named = [f"{number}/{'長' * 60}/prod/dev/{number % 3}.yaml" for number in range(1000)]
    shared = [f"{'長' * 1000}{number}.yaml" for number in range(1000)]
    roots = [FirstRoot(f"clusters/{number}", tuple((f"V{one}", "1") for one in range(12))) for number in range(500)]
    applied_by = {
        **dict.fromkeys(single, STG_AND_PROD[:1]),
        **dict.fromkeys(named, ()),
        **dict.fromkeys(shared, STG_AND_PROD),
    }
    written = WrittenAutomation(namespace="長" * 300, name="長" * 300, path="長" * 300, is_suspended=False)
    found = FoundAutomation(written, "長" * 300, STG_AND_PROD)
    rules = _rules(
        propose_stages(applied_by.keys(), applied_by, STG_AND_PROD), roots=roots, automations=(found,) * 1000
    )
    assert len(rules.roots) == 500
    assert [stage.name for stage in rules.stages] == ["prod"]


_NASTY = st.sampled_from(
    ["\n", "\u2028", "\x85", "\ufeff", "\ufffe", "# ", ": ", "'", '"', "\\", "*", "- ", "\udc80", "{", "&a", "!!int"]
)
_SEGMENTS = (
    st.one_of(
        st.sampled_from(
            ["prod", "stg", "dev", "pre", "apps", "clusters", "on", "1", "null", "prod.yaml", "values-dev.yaml"]
        ),
        st.lists(st.one_of(_NASTY, st.text(max_size=4)), min_size=1, max_size=4).map("".join),
    )
    .map(lambda text: text.replace("/", "-").replace("\0", "-"))
    .filter(lambda text: text not in ("", ".", ".."))
)
_PATHS = st.lists(_SEGMENTS, min_size=1, max_size=5).map("/".join)


def _are_files(paths: set[str]) -> bool:
    """Whether none of these would be a folder of another."""
    return not any(other.startswith(f"{one}/") for one in paths for other in paths)


@given(
    st.sets(_PATHS, min_size=1, max_size=12).filter(_are_files),
    st.lists(_PATHS.map(folder_of), max_size=4, unique=True),
    st.data(),
)
def test_every_file_is_in_the_stage_that_is_meant_or_left(
    files: set[str], roots: list[str], data: st.DataObject
) -> None:
    some = st.lists(st.sampled_from(roots), unique=True) if roots else st.just([])
    applied_by = {file: tuple(data.draw(some)) for file in sorted(files)}
    stages = _stages(applied_by, roots) if propose_stages(files, applied_by, roots).stages else {}
    assert set(stages) <= files


@given(_PATHS, _PATHS, _PATHS)
def test_texts_of_the_repository_stay_texts(path: str, name: str, value: str) -> None:
    assume(_are_files({"prod/a.yaml", path, name, value}))
    written = WrittenAutomation(
        namespace=name,
        name=value,
        path=path,
        is_suspended=False,
        branch=name,
        push_branch=path,
        selector=(LabelRequirement(value, "In", (name,)),),
    )
    given_value = value.encode("utf-8", "replace").decode()
    root = FirstRoot("clusters/prod", (("ZONE", given_value),), (name,))
    first = FirstRules(
        roots=(root, FirstRoot("clusters/dev", (), (value,))),
        stages=propose_stages(["prod/a.yaml", path, name], {value: ("clusters/prod",)}, ["clusters/prod"]),
        fields={path: 1, "prod/a.yaml": 1},
        automations=(FoundAutomation(written, path, (name, "")), FoundAutomation(written, name, ())),
        policies=1,
        unusable=(Unusable(value, True, (name,)),),
    )
    rules = read_rules(write_rules(first).encode())
    assert rules.roots == ("clusters/prod", "clusters/dev")
    assert rules.variables == {"clusters/prod": {"ZONE": given_value}}
    assert "prod" in {stage.name for stage in rules.stages}
    assert (rules.declarations, rules.policies, rules.change_requests_for) == ((), (), ())
