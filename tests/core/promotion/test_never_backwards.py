"""No sequence of events moves a field backwards without a cause: another spec, a tag that is gone, a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from app.core.facts import BuildResult
from app.core.manifests.places import Part
from app.core.policies.selection import CompiledPolicy
from app.core.promotion.field_texts import tag_in
from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan
from app.core.promotion.state import FieldState, LaneState, OpenPullRequest, PolicyState
from app.core.promotion.tags import TagState
from tests.core.promotion.lanes import NOW, POLICY, TWO_STAGES, Lane, deployment, report, tag_state
from tests.core.promotion.orders import POLICIES, TAGS

_STAGES = ("staging", "production")
_RESULTS = st.sampled_from([BuildResult.SUCCESS, BuildResult.FAILURE, None])


@dataclass(frozen=True)
class Push:
    """A tag is pushed, again perhaps, and a build may report it."""

    tag: str
    result: BuildResult | None


@dataclass(frozen=True)
class Vanish:
    """The tag that a stage has is known to be deleted."""

    stage: str


@dataclass(frozen=True)
class ShortList:
    """For one run only some of the tags are known."""

    tags: frozenset[str]


@dataclass(frozen=True)
class Merge:
    """Someone merges what the last run proposed for a stage."""

    stage: str


@dataclass(frozen=True)
class NewSpec:
    """The policy's text changes."""

    policy: str


Event = Push | Vanish | ShortList | Merge | NewSpec
_tags = st.sampled_from(TAGS)
_accidents = st.one_of(
    st.builds(Push, _tags, _RESULTS),
    st.builds(ShortList, st.frozensets(_tags)),
    st.builds(Merge, st.sampled_from(_STAGES)),
)
_causes = st.one_of(st.builds(Vanish, st.sampled_from(_STAGES)), st.builds(NewSpec, st.sampled_from(sorted(POLICIES))))


@dataclass
class World:
    """A config repository with one image in two stages, and what is known of its tags."""

    policy: str
    present: dict[str, str]
    known: dict[str, TagState] = field(default_factory=dict)
    under_another_spec: set[str] = field(default_factory=set)
    last: Plan = field(default_factory=Plan)

    def meet(self, happening: Event) -> None:
        """Let something happen, and run the lane."""
        shown = frozenset(TAGS)
        match happening:
            case Push(tag, result):
                self.known[tag] = tag_state(tag) if result is None else tag_state(tag, report(tag, result))
            case Vanish(stage):
                self.known[self.present[stage]] = tag_state(self.present[stage], is_gone=True)
            case ShortList(tags):
                shown = tags
            case Merge(stage):
                self._merge(stage)
            case NewSpec(policy):
                self.under_another_spec |= set(_STAGES) if policy != self.policy else set()
                self.policy = policy
        self.last = plan(self.state(shown), NOW)

    def state(self, shown: frozenset[str] = frozenset(TAGS)) -> LaneState:
        """What a lane run sees of it."""
        files = {f"apps/{stage}/app.yaml": deployment(tag) for stage, tag in self.present.items()}
        tags = [known for tag, known in self.known.items() if tag in shown]
        state = Lane({"images/app.yaml": POLICIES[self.policy], **files}, tags, TWO_STAGES, pulls=self._pulls()).state()
        return replace(state, policies=tuple(self._with_specs(policy) for policy in state.policies))

    def moves(self) -> Sequence[tuple[str, str, str]]:
        """Stage, present tag and proposed tag of every field that the last run would change."""
        return [
            (proposal.stage, self.present[proposal.stage], tag)
            for proposal in self.last.proposals
            for change in proposal.changes
            if (tag := tag_in(Part.REFERENCE, change.new_text)) is not None
        ]

    def compiled(self) -> CompiledPolicy:
        """The policy as it is now."""
        compiled = self.state().policies[0].compiled
        assert compiled is not None
        return compiled

    def _merge(self, stage: str) -> None:
        for proposal in self.last.proposals:
            if proposal.stage == stage:
                self.present[stage] = proposal.moves[0].tag
                self.under_another_spec.discard(stage)

    def _pulls(self) -> tuple[OpenPullRequest, ...]:
        return tuple(
            OpenPullRequest(number=number, stage=one.stage, group=one.group, tags={POLICY: one.moves[0].tag})
            for number, one in enumerate(self.last.proposals, start=1)
            if self.present[one.stage] != one.moves[0].tag
        )

    def _with_specs(self, policy: PolicyState) -> PolicyState:
        def fresh(one: FieldState) -> FieldState:
            return replace(one, is_same_spec=one.stage not in self.under_another_spec)

        return replace(policy, fields=tuple(fresh(one) for one in policy.fields))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A repository before anything happened."""
    present = draw(st.fixed_dictionaries(dict.fromkeys(_STAGES, _tags)))
    return World(draw(st.sampled_from(sorted(POLICIES))), dict(present))


@given(world=worlds(), events=st.lists(_accidents, min_size=1, max_size=8))
def test_pushes_short_lists_and_repeats_never_move_a_field_backwards(world: World, events: list[Event]) -> None:
    policy = world.compiled()
    for happening in events:
        world.meet(happening)
        for _, present, wanted in world.moves():
            preference = policy.compare(wanted, present)
            assert (policy.compare(present, present) is None) if preference is None else preference >= 0


@given(world=worlds(), events=st.lists(_accidents | _causes, min_size=1, max_size=8))
def test_every_move_backwards_has_a_cause(world: World, events: list[Event]) -> None:
    for happening in events:
        world.meet(happening)
        policy = world.compiled()
        for stage, present, wanted in world.moves():
            if (policy.compare(wanted, present) or 0) >= 0:
                continue
            event("a move backwards")
            assert stage in world.under_another_spec or world.known[present].is_gone


@given(world=worlds(), tags=st.lists(_tags, min_size=1, max_size=6), data=st.data())
def test_the_order_and_repetition_of_pushes_do_not_matter(world: World, tags: list[str], data: st.DataObject) -> None:
    other = World(world.policy, dict(world.present), dict(world.known))
    for tag in tags:
        world.meet(Push(tag, BuildResult.SUCCESS))
    for tag in data.draw(st.permutations(tags + tags[:2])):
        other.meet(Push(tag, BuildResult.SUCCESS))
    assert other.moves() == world.moves()


@given(world=worlds(), events=st.lists(_accidents | _causes, min_size=1, max_size=8))
def test_a_stage_whose_proposal_was_merged_has_nothing_more_to_do(world: World, events: list[Event]) -> None:
    for happening in events:
        world.meet(happening)
    world.meet(ShortList(frozenset(TAGS)))
    for stage in _STAGES:
        world.meet(Merge(stage))
    assert world.moves() == []


@pytest.mark.parametrize(
    ("cause", "backwards"),
    [
        pytest.param(ShortList(frozenset({"1.0.0"})), [], id="a-short-list"),
        pytest.param(Push("1.0.0", BuildResult.SUCCESS), [], id="an-older-tag-again"),
        pytest.param(Vanish("staging"), ["1.0.0"], id="the-tag-is-gone"),
        pytest.param(NewSpec("oldest"), ["1.0.0"], id="another-spec"),
    ],
)
def test_only_a_cause_brings_the_older_tag_back(cause: Event, backwards: list[str]) -> None:
    world = World("semver", {"staging": "1.1.0"})
    world.meet(Push("1.0.0", BuildResult.SUCCESS))
    world.meet(Push("1.1.0", BuildResult.SUCCESS))
    world.meet(cause)
    assert [wanted for _, _, wanted in world.moves()] == backwards
