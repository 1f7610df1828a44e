"""Trials C: policies choose only what is there, and say where they cannot tell."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import app.demo
from app.clients.forges.local.forge import LocalForge
from app.core.images import ImageName
from app.core.policies.patterns import Pattern
from app.core.policies.selection import InvalidPolicy, compile_policy
from app.core.policies.spec import Alphabetical, PolicySpec, SemVer, TagFilter
from app.core.policies.telling.warnings import warn
from app.db.database import Database
from app.services.heads.view import HeadView, view_at
from app.services.reading.plans import PlanDescription
from app.services.reading.stages import StageFilters, list_stages
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, LANE, Lane
from tests.trials.lane_plans import APP, STAGING, explained, listed, one_app, outcome, planned

NEW = ImageName(IMAGE.registry, "team/new")
MOVED = policy(path="team/new")


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app at 1.0.0, whose repository was listed with it."""
    return one_app(tmp_path, database)


def chart(*, tag: str = "1.0.0", path: str = "team/app", tag_marker: str = "flux-system:app:tag") -> str:
    """Values of a chart: the image's name and its tag, each with its marker."""
    return f"""\
image:
  repository: registry.acme.example/{path} # {{"$imagepolicy": "flux-system:app:name"}}
  tag: {tag} # {{"$imagepolicy": "{tag_marker}"}}
"""


def _view(lane: Lane) -> HeadView:
    return view_at(lane.repository, lane.scans, lane.repository.fetch()["main"])


def texts(found: PlanDescription) -> list[str]:
    """What the fields would hold."""
    return [change.new.rsplit("/", 1)[-1] for one in found.proposals for change in one.changes]


# C9: the ImageRepository moves to another image.


def test_a_moved_repository_that_has_no_tags_gets_no_tag_of_the_old_one(lane: Lane) -> None:
    listed(lane, NEW)
    found = planned(lane, {APP: MOVED})
    assert (found.proposals, lane.open_pulls()) == ([], [])
    assert outcome(found).standing == "stuck"
    assert "registry.acme.example/team/app:1.0.0" in outcome(found).reason
    assert "registry.acme.example/team/new" in outcome(found).reason


def test_a_moved_repository_goes_to_a_tag_that_the_new_one_has_though_it_is_lower(lane: Lane) -> None:
    lane.config.commit("main", {APP: policy(choice="semver: {range: '>=0.1.0'}")})
    lane.run()
    listed(lane, NEW, "0.9.0")
    found = planned(lane, {APP: policy(choice="semver: {range: '>=0.1.0'}", path="team/new")})
    assert texts(found) == ["new:0.9.0"]


def test_a_move_is_seen_at_first_contact_too(lane: Lane) -> None:
    listed(lane, NEW, "0.9.0")
    found = planned(lane, {APP: policy(choice="semver: {range: '*'}", path="team/new")})
    assert texts(found) == ["new:0.9.0"]


def test_the_title_and_body_say_that_the_repository_changes(lane: Lane) -> None:
    lane.run()
    listed(lane, NEW, "1.0.0", "1.2.0")
    found = planned(lane, {APP: MOVED})
    [pull] = lane.open_pulls()
    was, wanted = "registry.acme.example/team/app:1.0.0", "registry.acme.example/team/new:1.2.0"
    assert pull.title == f"Promote new: {was} to {wanted}"
    assert f"`{was}`" in pull.body
    assert "| Version |" not in pull.body, "another image has no jump of versions"
    assert [(one.title, one.moves[0].from_image) for one in found.proposals] == [(pull.title, was.rpartition(":")[0])]
    assert was in outcome(found).reason


def test_explain_and_stages_show_the_image_that_git_has(lane: Lane) -> None:
    lane.run()
    listed(lane, NEW, "1.2.0")
    planned(lane, {APP: MOVED})
    [stage] = explained(lane).stages
    assert stage.present == ["registry.acme.example/team/app:1.0.0"]
    with lane.database.transaction() as connection:
        [shown] = list_stages(connection, lane.systems, StageFilters(), now=lane.now).items
    assert (shown.image, shown.tag) == (str(IMAGE), "1.0.0")


def test_a_tag_alone_is_of_the_image_whose_name_stands_beside_it(lane: Lane) -> None:
    listed(lane, NEW, "0.9.0")
    moved = policy(choice="semver: {range: '*'}", path="team/new")
    found = planned(lane, {APP: moved, STAGING: chart()})
    assert texts(found) == ["new", "0.9.0"]
    assert [one.moves[0].from_image for one in found.proposals] == [str(IMAGE)]


def test_a_tag_alone_is_of_the_image_under_which_it_came(lane: Lane) -> None:
    only_tag = 'tag: 1.0.0 # {"$imagepolicy": "flux-system:app:tag"}\n'
    any_version = "semver: {range: '*'}"
    planned(lane, {APP: policy(choice=any_version), STAGING: only_tag})
    listed(lane, NEW)
    moved = {APP: policy(choice=any_version, path="team/new")}
    assert planned(lane, moved).proposals == []
    assert planned(lane).proposals == [], "also in later runs"
    listed(lane, NEW, "0.9.0")
    found = planned(lane)
    assert texts(found) == ["0.9.0"]
    assert found.proposals[0].title.startswith(f"Promote new: {IMAGE}:1.0.0 to {NEW}:0.9.0")


def test_a_tag_alone_that_both_images_have_is_there_already(lane: Lane) -> None:
    planned(lane, {STAGING: 'tag: 1.0.0 # {"$imagepolicy": "flux-system:app:tag"}\n'})
    listed(lane, NEW, "1.0.0")
    found = planned(lane, {APP: MOVED})
    assert (outcome(found).standing, found.proposals) == ("current", [])


def test_an_alias_of_the_registry_is_the_same_image(lane: Lane) -> None:
    lane.config.commit("main", {STAGING: deployment("1.5.0").replace(IMAGE.registry, "old.example")})
    aliased = replace(lane.systems, aliases={"old.example": IMAGE.registry})
    run = replace(lane.claim(), systems=aliased)
    [state] = run.judge.in_full(_view(lane), LANE, {"images:flux-system/app", "flux-system/app"})
    assert [one.other_image for one in state.fields] == [None]
    assert state.selection is not None
    assert state.selection.tag == "1.5.0", "what is in Git is a candidate"


def test_a_move_does_not_count_the_digest_of_the_old_image(lane: Lane) -> None:
    written = MOVED.replace(
        "spec:\n  imageRepositoryRef", "spec:\n  digestReflectionPolicy: IfNotPresent\n  imageRepositoryRef"
    )
    digest = "sha256:" + "ab" * 32
    listed(lane, NEW, "1.0.0")
    found = planned(lane, {APP: written, STAGING: deployment(f"1.0.0@{digest}")})
    assert len(found.proposals) == 1
    assert found.proposals[0].moves[0].digest != digest


def test_moving_by_hand_to_another_image_is_no_revert(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    [pull] = lane.open_pulls()
    assert isinstance(lane.forge, LocalForge)
    lane.forge.merge(pull.number, by="mira")
    lane.run()
    listed(lane, NEW, "1.0.0")
    planned(lane, {APP: MOVED, STAGING: deployment("1.0.0", path="team/new")})
    assert {one.tag: one.state for one in lane.promotions()} == {"1.0.0": "merged", "1.1.0": "merged"}


def test_an_open_pull_request_of_the_old_image_becomes_one_of_the_new(lane: Lane) -> None:
    lane.push("1.2.0")
    lane.run()
    listed(lane, NEW, "1.2.0")
    planned(lane, {APP: MOVED})
    [pull] = lane.open_pulls()
    assert pull.title.endswith("team/new:1.2.0")
    told = {one.image: (one.tag, one.state) for one in lane.promotions()}
    assert told == {str(NEW): ("1.2.0", "proposed"), str(IMAGE): ("1.2.0", "superseded")}


def test_each_tag_is_of_the_name_that_stands_next_to_it(lane: Lane) -> None:
    lane.push("1.2.0")
    listed(lane, NEW, "1.1.0")
    both = chart(tag="1.2.0", path="team/new") + chart(tag="1.1.0").replace("image:", "sidecar:")
    found = planned(lane, {APP: MOVED, STAGING: both})
    [proposal] = found.proposals
    assert proposal.moves[0].tag == "1.2.0", "what stands beside the new name in Git is a candidate"
    assert [change.line for change in proposal.changes] == [5, 6]


def test_another_image_holds_no_tag_of_the_new_one_down(lane: Lane) -> None:
    """One file moved already and is at 1.1.0, another is at 2.0.0 of the old image."""
    listed(lane, NEW, "1.0.0", "1.1.0")
    files = {STAGING: deployment("1.1.0", path="team/new"), "apps/staging/old.yaml": deployment("2.0.0")}
    found = planned(lane, {APP: MOVED, **files})
    assert texts(found) == ["new:1.1.0"]
    assert found.proposals[0].title == f"Promote new: {IMAGE}:2.0.0 to {NEW}:1.1.0"


def test_where_a_gate_refuses_the_new_image_the_old_one_stays(lane: Lane) -> None:
    lane.now += timedelta(days=3)
    listed(lane, NEW, "1.2.0")
    gated = "stages: {staging: {paths: [apps/staging], requires: {build: success}}}\n"
    found = planned(lane, {APP: MOVED, ".fluxbridge.yaml": gated})
    assert found.proposals == []
    assert [one.standing for one in found.outcomes] == ["refused", "stuck"]
    assert "no candidate passes" in outcome(found, "staging").reason


def test_a_policy_that_cannot_be_used_for_a_while_opens_no_way_down(lane: Lane) -> None:
    lane.push("1.1.0")
    planned(lane, {STAGING: deployment("2.0.0")})
    broken = policy(choice="semver: {range: nonsense}")
    planned(lane, {APP: broken, "apps/staging/later.yaml": deployment("2.0.0")})
    planned(lane, {APP: policy().replace("kind: ImageRepository", "kind: Other")})
    assert planned(lane, {APP: policy()}).proposals == []


# C5: only a field that names a tag or digest makes a stage current.


def test_a_name_alone_makes_no_stage_current(lane: Lane) -> None:
    lane.push("1.2.0")
    found = planned(lane, {STAGING: chart(tag="1.1.0", tag_marker="flux-system:ap:tag")})
    assert (outcome(found).standing, outcome(found).tag) == ("stuck", None)
    assert "no field names a tag" in outcome(found).reason
    assert f"{STAGING}:3" in outcome(found).reason
    assert "flux-system/ap" in outcome(found).reason
    [stage] = explained(lane).stages
    assert "no field names a tag" in stage.summary
    assert stage.steps == []


def test_a_marker_that_is_none_is_named_where_no_field_names_a_tag(lane: Lane) -> None:
    found = planned(lane, {STAGING: chart(tag="1.1.0", tag_marker="flux-system:app:tagg")})
    assert "no field names a tag" in outcome(found).reason
    assert f"{STAGING}:3: this is no marker" in outcome(found).reason


@pytest.mark.parametrize("text", ["''", "latest", "${TAG}", "registry.acme.example/team/app", "'{}'"])
def test_a_reference_that_names_no_tag_of_the_policy_is_not_there_already(lane: Lane, text: str) -> None:
    lane.push("1.2.0")
    found = planned(lane, {STAGING: f'image: {text} # {{"$imagepolicy": "flux-system:app"}}\n'})
    assert outcome(found).standing == "proposed"


def test_a_name_and_a_digest_alone_are_current_by_the_digest(lane: Lane) -> None:
    lane.push("1.2.0")
    beside = chart(tag="sha256:" + "ab" * 32, tag_marker="flux-system:app:digest")
    reflecting = policy().replace("  policy:", "  digestReflectionPolicy: IfNotPresent\n  policy:")
    found = planned(lane, {APP: reflecting, STAGING: beside})
    assert outcome(found).standing == "proposed"


def test_a_digest_that_cannot_be_written_is_not_there_already(lane: Lane) -> None:
    lane.push("1.2.0")
    found = planned(lane, {STAGING: chart(tag="sha256:" + "ab" * 32, tag_marker="flux-system:app:digest")})
    assert outcome(found).reason != "the stage has it"
    assert next(one.tag for one in found.outcomes if one.standing == "refused") == "1.2.0"


# C7: a bound that lets prereleases in.


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param(
            ">=1.0.0 <2.0.0-0", "'<2.0.0-0' lets in the prereleases of the whole range: write '<2.0.0'", id="C7"
        ),
        pytest.param("<2.0.0-0", "write '<2.0.0'", id="alone"),
        pytest.param(">=1.0.0, < v2.0.0-0", "write '<v2.0.0'", id="a comma, a space and a v"),
        pytest.param(">=1 <2-0", "write '<2'", id="a part of a version"),
        pytest.param("<=2.0.0-0 >=1", "write '<2.0.0'", id="at most"),
        pytest.param("<=2.x-0", "write '<=2.x'", id="at most with a wildcard"),
        pytest.param("1.0.0 - 2.0.0-0", "write '<2.0.0'", id="a hyphen range"),
        pytest.param("3.x || >=1.0.0 <2.0.0-0", "write '<2.0.0'", id="one part of several"),
        pytest.param(">=1.0.0 <2.0.0-rc.1", "write '<2.0.0'", id="another prerelease"),
        pytest.param(">=1.0.0 !=1.5.0-rc.1", "'!=1.5.0-rc.1' lets in", id="but one"),
    ],
)
def test_a_bound_that_lets_prereleases_in_is_warned_of(written: str, said: str) -> None:
    found = [one.message for one in warn(PolicySpec(SemVer(written)), place="x") if one.kind == "prereleases_by_bound"]
    assert len(found) == 1
    assert said in found[0]
    mended = compile_policy(PolicySpec(SemVer(">=1.0.0 <2.0.0")))
    assert mended.select(["1.3.0", "1.4.0-rc.1", "2.0.0-rc.1"]).tag == "1.3.0"


@pytest.mark.parametrize(
    "written", [">=1.0.0-0", ">=1.0.0-0 <2.0.0-0", "^1.x-0", ">=1.0.0 <2.0.0", "1.0.0-0 - 2.0.0-0"]
)
def test_prereleases_that_the_lower_bound_asks_for_are_not_warned_of(written: str) -> None:
    assert [one for one in warn(PolicySpec(SemVer(written)), place="x") if one.kind == "prereleases_by_bound"] == []


def test_what_we_teach_lets_no_prerelease_in() -> None:
    taught = (Path(app.demo.__path__[0]) / "config_repo" / "images" / "storefront.yaml").read_text()
    assert 'range: ">=1.0.0 <2.0.0"' in taught


# C8: classes of Unicode by Go's names.


@pytest.mark.parametrize(
    ("pattern", "takes", "leaves"),
    [
        pytest.param(r"\p{Lu}", "AZÄ", "a1_", id="a category"),
        pytest.param(r"\p{lu}", "AZ", "a", id="in another case"),
        pytest.param(r"\pl", "aZ", "1", id="one letter in another case"),
        pytest.param(r"\p{greek}", "λ", "a", id="a script in another case"),
        pytest.param(r"\p{^Greek}", "a", "λ", id="not a script"),
        pytest.param(r"\p{Lowercase_Letter}", "az", "A1", id="a long name"),
        pytest.param(r"\P{uppercase letter}", "a1", "A", id="not a long name with a blank"),
        pytest.param(r"\p{digit}", "07", "a", id="an alias"),
        pytest.param(r"\p{LC}", "aZ", "1", id="cased letters"),
        pytest.param(r"\P{LC}", "1", "aZ", id="not cased letters"),
        pytest.param(r"[\p{LC}1]", "aZ1", "2", id="cased letters in brackets"),
        pytest.param(r"\p{ASCII}", "a~", "ä", id="ASCII"),
        pytest.param(r"[\P{ASCII}a]", "äa", "b", id="not ASCII in brackets"),
        pytest.param(r"\p{Cn}", "\u0378\U000e0080", "aÄ\t", id="unassigned"),
        pytest.param(r"\P{unassigned}", "aÄ\t", "\u0378", id="not unassigned"),
        pytest.param(r"\p{Assigned}", "aÄ\t\x00", "\u0378", id="assigned"),
        pytest.param(r"[\p{Cn}b]", "b\u0378", "aÄ", id="unassigned in brackets"),
        pytest.param(r"[^\p{Cn}b]", "aÄ", "b\u0378", id="neither unassigned nor b"),
        pytest.param(r"[\P{Assigned}b]", "b\u0378", "aÄ", id="not assigned in brackets"),
        pytest.param(r"[^\P{Assigned}b]", "aÄ", "b\u0378", id="neither not assigned nor b"),
        pytest.param(r"[\P{LC}b]", "1b-", "aZ", id="not cased letters in brackets"),
        pytest.param(r"[^\P{cased-letter}b]", "aZ", "1b", id="neither not cased nor b"),
        pytest.param(r"[\P{ASCII}]", "ä\u212a", "kK", id="not ASCII in brackets with kelvin"),
        pytest.param(r"(?i)[\P{ASCII}]", "ä", "kKsS", id="not ASCII in brackets whatever the case"),
        pytest.param(r"\p{Any}", "a\u0378", "", id="anything"),
        pytest.param(r"[\P{any}b]", "b", "a", id="nothing in brackets"),
        pytest.param(r"\Q\p{lu}\E", "", "A", id="a quotation is left"),
        pytest.param(r"\\p{2}", "", "A", id="an escaped backslash is none"),
        pytest.param(r"(?P<x>\p{lu})|(?P<x>\p{ll})", "aA", "1", id="beside names that come twice"),
    ],
)
def test_a_class_of_unicode_is_read_by_every_name_that_go_takes(pattern: str, takes: str, leaves: str) -> None:
    compiled = Pattern.compile(f"^(?:{pattern})$")
    assert [one for one in takes if compiled.search(one) is None] == []
    assert [one for one in leaves if compiled.search(one) is not None] == []


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        pytest.param(r"\p{Klingon}", "no regular expression of Flux", id="no class of Go"),
        pytest.param(r"\p{L&}", "no regular expression of Flux", id="a name of other engines"),
        pytest.param(r"\p{Script=Greek}", "no regular expression of Flux", id="a property with its value"),
        pytest.param("\\p\u017f", "no regular expression of Flux", id="a letter that is S in upper case"),
        pytest.param("\\p{GREE\u212a}", "no regular expression of Flux", id="the sign for kelvin in a name"),
        pytest.param(r"\p{}", "no regular expression of Flux", id="no name"),
        pytest.param(r"^\pL+-\pL+$", r"takes \d+ steps, more than 2000: that is a limit of Fluxbridge", id="large"),
        pytest.param(r"\pL{1000}", "too large to be compiled: that is a limit of Fluxbridge", id="huge"),
    ],
)
def test_a_class_that_cannot_be_read_says_so(pattern: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said):
        compile_policy(PolicySpec(Alphabetical(), TagFilter(pattern)))
