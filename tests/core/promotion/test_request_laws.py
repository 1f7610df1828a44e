"""Whatever happens after a rollback was asked for, nothing that was known then returns by itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import event, given
from hypothesis import strategies as st

from app.core.facts import BuildResult
from app.core.images import ImageName
from app.core.manifests.places import Part
from app.core.policies.selection import CompiledPolicy
from app.core.promotion.field_texts import digest_in, tag_in
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.requests import Request
from app.core.promotion.state import OpenPullRequest
from app.core.promotion.tags import TagState
from tests.core.promotion.asked import back, forward, target
from tests.core.promotion.lanes import NOW, POLICY, Lane, deployment, digest, pull, report
from tests.core.promotion.orders import POLICIES, TAGS

SINCE = NOW - timedelta(hours=1)
IMAGE = ImageName("registry.acme.example", "team/app")
DENIED = Hold(
    id="d1",
    stage=None,
    policy=None,
    tags=(),
    kind=HoldKind.DENIED,
    who="mira",
    why="bad",
    since=SINCE,
    image=IMAGE,
)
FREEZE = replace(DENIED, id="f1", kind=HoldKind.MANUAL, tags=None, image=None, why="holidays")
STAGES = b"stages: {production: {paths: [apps/production]}}"
GATED = STAGES.replace(b"[apps/production]", b"[apps/production], requires: {build: success}")
_tags = st.sampled_from(TAGS)
_results = st.sampled_from([None, BuildResult.SUCCESS, BuildResult.FAILURE])
_reflections = st.sampled_from(["Never", "IfNotPresent", "Always"])


@dataclass(frozen=True)
class Pushed:
    """When a tag was pushed last, counted from the time of the request; and when the build began that pushed it."""

    at: timedelta
    began: timedelta | None = None
    result: BuildResult | None = None
    is_gone: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it was known, or about to be, when the request was made."""
        return self.at <= timedelta(0) or (self.began is not None and self.began <= timedelta(0))

    def state(self, tag: str, *, of: str | None = None) -> TagState:
        """What is known of the tag; `of` is what its digest tells of."""
        named = digest(of or f"{tag} {self.at}")
        began = None if self.began is None else SINCE + self.began
        built = replace(report(tag, self.result or BuildResult.SUCCESS), digest=named, started_at=began)
        reports = (built,) if self.result is not None or self.began is not None else ()
        return TagState(tag=tag, digest=named, first_seen_at=SINCE + self.at, is_gone=self.is_gone, reports=reports)


_minutes = st.integers(-30, 30).map(lambda minutes: timedelta(minutes=minutes))
_before = st.builds(Pushed, st.integers(-90, 0).map(lambda minutes: timedelta(minutes=minutes)), result=_results)
_later = st.builds(
    Pushed,
    st.integers(1, 50).map(lambda minutes: timedelta(minutes=minutes)),
    st.none() | _minutes,
    _results,
    st.sampled_from([False, False, False, True]),
)


@dataclass(frozen=True)
class Rollback:
    """A stage that is, or was, rolled back: what was known then, and what came since."""

    policy: str
    reflection: str
    present: str
    wanted: str
    before: Mapping[str, Pushed]
    later: Mapping[str, Pushed] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    policy_then: str = "semver"
    is_merged: bool = False
    is_asked: bool = True
    is_open: bool = False

    @property
    def then(self) -> str:
        """The digest that the target had before."""
        return digest(f"{self.wanted} then")

    @property
    def request(self) -> Request:
        """What was asked for; its ceiling is what the policy of then preferred of all that was known."""
        known = {*self.before, self.wanted, self.present}
        ceiling = compiled(self.policy_then).select(known).tag
        is_written = self.reflection != "Never"
        one = target(self.wanted, ceiling=ceiling, leaves_hold=True, digest=self.then if is_written else None)
        return back(one, since=SINCE)

    @property
    def hold(self) -> Hold:
        """What it keeps away."""
        return self.request.hold_on(self.request.targets[0], "h1")

    def lane(self) -> Lane:
        """The lane as it is now."""
        at = f"@{self.then}" if self.reflection != "Never" else ""
        there = f"{self.wanted}{at}" if self.is_merged else self.present
        states = {tag: one.state(tag) for tag, one in {**self.before, **self.later}.items()}
        denials = (replace(DENIED, tags=tuple(sorted(self.denied))),) if self.denied else ()
        return Lane(
            {"images/app.yaml": reflecting(self.policy, self.reflection), "apps/production/a.yaml": deployment(there)},
            list(states.values()),
            STAGES,
            holds=(self.hold, *denials),
            requests=(self.request,) if self.is_asked and not self.is_merged else (),
            pulls=(pull(8, "production", max(self.before)),) if self.is_open and self.before else (),
            changed_spec=self.policy != self.policy_then,
        )


def reflecting(policy: str, reflection: str) -> bytes:
    """The policy, as it writes digests."""
    interval = "  interval: 10m\n" if reflection == "Always" else ""
    spec = f"spec:\n  digestReflectionPolicy: {reflection}\n{interval}  imageRepositoryRef".encode()
    return POLICIES[policy].replace(b"spec:\n  imageRepositoryRef", spec)


def compiled(policy: str) -> CompiledPolicy:
    """A policy ready to choose."""
    found = Lane({"images/app.yaml": POLICIES[policy]}, rules=b"").state().policies[0].compiled
    assert found is not None
    return found


@st.composite
def rollbacks(draw: st.DrawFn) -> Rollback:
    """Some tags known then, some pushed since, perhaps of the same names, and perhaps another spec by now."""
    before = draw(st.dictionaries(_tags, _before, min_size=1, max_size=6))
    policy_then = draw(st.sampled_from(sorted(POLICIES)))
    return Rollback(
        policy=draw(st.sampled_from([policy_then, policy_then, *sorted(POLICIES)])),
        policy_then=policy_then,
        reflection=draw(_reflections),
        present=draw(st.sampled_from(sorted(before))),
        wanted=draw(st.sampled_from(sorted(before))),
        before=before,
        later=draw(st.dictionaries(_tags, _later, max_size=4)),
        denied=draw(st.frozensets(_tags, max_size=1)),
        is_merged=draw(st.booleans()),
        is_asked=draw(st.booleans()),
        is_open=draw(st.booleans()),
    )


def wanted_of(found: Plan) -> Sequence[tuple[str | None, str | None]]:
    """Tag and digest of each text that would be written, now or once there is room."""
    changes = [change for one in (*found.proposals, *found.put_off) for change in one.changes]
    return [(tag_in(Part.REFERENCE, one.new_text), digest_in(Part.REFERENCE, one.new_text)) for one in changes]


@given(rollbacks())
def test_nothing_that_was_known_when_a_rollback_was_asked_for_is_proposed_but_its_target(case: Rollback) -> None:
    known = {**case.before, **case.later}
    for tag, named in wanted_of(case.lane().plan()):
        assert tag is not None
        event("the target" if tag == case.wanted else "another")
        assert tag not in case.denied
        if tag == case.wanted and (named == case.then or case.reflection == "Never"):
            continue
        assert tag != case.wanted, "its target with another digest"
        assert not known[tag].is_known
        if case.policy == case.policy_then:
            every = {*case.before, case.present, case.wanted, tag}
            assert compiled(case.policy).select(every).tag == tag, "above all that were known"


@given(rollbacks(), st.booleans())
def test_lifting_gives_the_plan_that_would_have_been(case: Rollback, was_open: bool) -> None:  # noqa: FBT001 (drawn)
    here = case.lane()
    without = replace(here, holds=here.holds[1:], requests=(), pulls=())
    free = without.plan()
    over = replace(without, holds=(replace(case.hold, until=NOW), *without.holds))
    assert over.plan() == free
    if was_open:
        carried = {POLICY: case.wanted}
        ended = OpenPullRequest(
            number=9, stage="production", group=POLICY, tags=carried, request="01BACK", ended="withdrawn"
        )
        closing = replace(without, pulls=(ended,)).plan()
        assert [(one.number, one.reason) for one in closing.closures] == [(9, "withdrawn")]
        assert (closing.proposals, closing.next_look_at) == ((), NOW)


NAMES = ("app", "web")
WHOLE = tuple(f"flux-system/{name}" for name in NAMES)
GROUPS = ("any", "same-tag", "same-build", None)


@dataclass(frozen=True)
class Asked:
    """Two policies, perhaps of one group, and requests, holds and pull requests of any kind."""

    together: str | None
    present: Mapping[str, str]
    tags: Mapping[str, Pushed]
    requests: tuple[Request, ...]
    holds: tuple[Hold, ...]
    pulls: tuple[OpenPullRequest, ...]
    is_gated: bool
    is_observing: bool

    def lane(self) -> Lane:
        """The lane as it is now."""
        files = {f"images/{name}.yaml": POLICIES["semver"].replace(b"app", name.encode()) for name in NAMES}
        files |= {f"apps/production/{name}.yaml": deployment(tag, name=name) for name, tag in self.present.items()}
        groups = f'\ngroups: {{shop: {{policies: ["flux-system/*"], together: {self.together}}}}}\n'
        return Lane(
            files,
            [one.state(tag, of=tag) for tag, one in self.tags.items()],
            (GATED if self.is_gated else STAGES) + (groups.encode() if self.together else b""),
            holds=self.holds,
            requests=self.requests,
            pulls=self.pulls,
            is_observing=self.is_observing,
        )


_SEMVER = [tag for tag in TAGS if tag[0].isdigit()]
_one_tag = st.sampled_from(_SEMVER)


@st.composite
def requested(draw: st.DrawFn) -> tuple[Request, ...]:
    """One request of one or both policies, or one of each; each may carry a digest."""
    shapes = draw(st.sampled_from([(), (WHOLE,), (WHOLE[:1],), (WHOLE[:1], WHOLE[1:])]))
    found = []
    for number, policies in enumerate(shapes):
        wanted = [target(draw(_one_tag), policy, was_there=draw(st.booleans())) for policy in policies]
        one = back(*wanted) if draw(st.booleans()) else forward(*wanted)
        found.append(replace(one, id=f"01R{number}", is_forced=draw(st.booleans())))
    return tuple(found)


@st.composite
def pulls_for(draw: st.DrawFn, together: str | None, requests: Sequence[Request]) -> tuple[OpenPullRequest, ...]:
    """What may be open: of the group or of each policy, ours or taken over, of a request or none, ended or not."""
    open_ones = []
    places: dict[str, Iterable[str]] = {"shop": WHOLE} if together else {name: (name,) for name in WHOLE}
    places |= {one.own_place: sorted(one.policies) for one in requests}
    for number, (group, names) in enumerate(places.items(), start=1):
        if draw(st.booleans()):
            of = draw(st.sampled_from([None, "01OLD", *(one.id for one in requests)]))
            open_ones.append(
                OpenPullRequest(
                    number=number,
                    stage="production",
                    group=group,
                    tags={name: draw(_one_tag) for name in names},
                    branch=f"b{number}",
                    request=of,
                    ended="it ended" if of == "01OLD" else None,
                    left_because=draw(st.sampled_from([None, None, "a person pushed to it"])),
                )
            )
    return tuple(open_ones)


@st.composite
def worlds(draw: st.DrawFn) -> Asked:
    """Anything that people may have asked for and stopped, all at once."""
    together, requests = draw(st.sampled_from(GROUPS)), draw(requested())
    tags = draw(st.dictionaries(_one_tag, st.one_of(_before, _later), min_size=3))
    denials = [replace(DENIED, id=tag, tags=(tag,), image=None) for tag in draw(st.sets(_one_tag, max_size=2))]
    # Of a tag that nobody knows nobody knows the digest.
    named = draw(st.sets(st.sampled_from(sorted(tags)), max_size=1))
    by_digest = [replace(DENIED, id=tag, tags=None, image=None, digest=digest(tag)) for tag in named]
    rolled_back = [one.hold_on(each, "h") for one in requests if one.is_rollback for each in one.targets]
    freezes = draw(st.sets(st.sampled_from([FREEZE, replace(FREEZE, policy=WHOLE[0]), replace(FREEZE, stage="other")])))
    return Asked(
        together=together,
        present={name: draw(_one_tag) for name in NAMES},
        tags=tags,
        requests=requests,
        holds=(*denials, *by_digest, *rolled_back, *sorted(freezes, key=str)),
        pulls=draw(pulls_for(together, requests)),
        is_gated=draw(st.booleans()),
        is_observing=draw(st.sampled_from([False, False, False, True])),
    )


@given(worlds())
def test_a_denied_tag_is_in_no_proposal_and_does_not_stay_open_whatever_was_asked_for(world: Asked) -> None:
    here = world.lane()
    found = here.plan()
    denied = {tag for one in world.holds if one.kind is HoldKind.DENIED for tag in one.tags or (one.id,)}
    assert not denied & {move.tag for one in (*found.proposals, *found.put_off) for move in one.moves}
    updated = {(one.stage, one.group) for one in found.proposals}
    gone = {one.number for one in (*found.closures, *found.kept_open)}
    for one in world.pulls:
        is_ours = one.left_because is None and (one.stage, one.group) not in updated and one.number not in gone
        assert not (is_ours and denied & set(one.tags.values())) or world.is_observing
        event(f"stays {is_ours}")


@given(worlds())
def test_every_request_is_proposed_or_says_of_each_of_its_policies_why_not(world: Asked) -> None:
    here = world.lane()
    found = here.plan()
    for request in world.requests:
        proposals = [one for one in (*found.proposals, *found.put_off) if one.request == request]
        assert len(proposals) <= 1
        moves = {str(move.policy): move.tag for one in proposals for move in one.moves}
        assert moves.items() <= request.tags.items()
        for policy in request.policies:
            [said] = [one for one in found.outcomes if (one.policy, one.request) == (policy, request.id)]
            event(said.standing)
            assert said.reason.strip()
            is_wanted = any(one.request == request for one in found.proposals)
            assert not is_wanted or (policy in moves) != (said.standing is Standing.CURRENT), "all or none"
            if not world.is_observing:
                assert (said.standing is Standing.PROPOSED) == (is_wanted and policy in moves)
    branches = [one.branch for one in found.proposals]
    assert len(set(branches)) == len(branches)


@given(worlds())
def test_the_same_state_gives_the_same_plan_in_whatever_order_it_is_read(world: Asked) -> None:
    found = world.lane().plan()
    assert found == world.lane().plan()
    requests = tuple(replace(one, targets=one.targets[::-1]) for one in world.requests[::-1])
    again = replace(world.lane(), requests=requests, holds=world.holds[::-1], pulls=world.pulls[::-1]).plan()
    assert {one.branch: one.changes for one in again.proposals} == {one.branch: one.changes for one in found.proposals}
    assert {one.number for one in again.closures} == {one.number for one in found.closures}


@given(worlds())
def test_doing_what_is_planned_leaves_nothing_to_do_for_a_request(world: Asked) -> None:
    """What was opened for a request stays as it was opened, and is all that is open of it."""
    here = replace(world.lane(), is_observing=False)
    first = here.plan()
    closed = {one.number for one in first.closures}
    updated = {(one.stage, one.group): one for one in first.proposals}
    staying = [
        one
        for one in here.pulls
        if one.number not in closed and (one.left_because is not None or (one.stage, one.group) not in updated)
    ]
    opened = [
        OpenPullRequest(
            number=100 + number,
            stage=one.stage,
            group=one.group,
            tags=one.tags,
            branch=one.branch,
            request=one.request.id if one.request is not None else None,
        )
        for number, one in enumerate(first.proposals)
    ]
    second = replace(here, pulls=(*staying, *opened)).plan()
    for one in first.proposals:
        if one.request is not None:
            assert [(each.branch, each.changes) for each in second.proposals if each.request == one.request] == [
                (one.branch, one.changes)
            ]
