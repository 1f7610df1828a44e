"""States of lanes with a group that moves as one, for tests of planning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache

from app.core.facts import BuildResult
from app.core.promotion.holds import Hold
from app.core.promotion.planning import plan
from app.core.promotion.plans import Outcome, Plan
from app.core.promotion.state import LaneState, OpenPullRequest, PolicyState
from app.core.promotion.tags import TagState
from tests.core.promotion.lanes import NOW, Lane, deployment, hold, policy_file, report, tag_state


@dataclass(frozen=True)
class Build:
    """A finished build with the tag that it published for each policy."""

    number: int
    tags: Mapping[str, str]
    result: BuildResult = BuildResult.SUCCESS


@dataclass(frozen=True)
class Fleet:
    """A group of policies by their short names: what each has in Git, which tags were pushed, and what built them."""

    present: Mapping[str, str]
    together: str
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    builds: Sequence[Build] = ()
    holds: tuple[Hold, ...] = ()
    pulls: tuple[OpenPullRequest, ...] = ()
    is_gated: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    lane: Lane = field(default_factory=lambda: Lane({}))

    def state(self) -> LaneState:
        """The state of the lane as a run reads it."""
        files = {
            f"images/{name}.yaml": policy_file(self.choices.get(name, "semver: {range: '>=0.0.1-0'}"), name=name)
            for name in self.present
        }
        files |= {f"apps/{name}.yaml": deployment(tag, name=name) for name, tag in self.present.items()}
        read = _read(tuple(files.items()), self.rules())
        policies = tuple(self._with_tags(one) for one in read.policies)
        lane = replace(self.lane, files={}, rules=None, holds=self.holds, pulls=self.pulls).state()
        return replace(lane, rules=read.rules, policies=policies, published=self.published())

    def _with_tags(self, one: PolicyState) -> PolicyState:
        known = {tag.tag: tag for tag in self.tags_of(one.name.name)}
        for place in one.fields:
            known.setdefault(place.tag or "", tag_state(place.tag or ""))
        assert one.compiled is not None
        return replace(one, tags=known, selection=one.compiled.select(known))

    def rules(self) -> bytes:
        """What the repository asks for."""
        gate = "build: success" if self.is_gated else ""
        stages = f"stages: {{all: {{paths: [apps], requires: {{{gate}}}}}}}"
        return f'{stages}\ngroups: {{shop: {{policies: ["flux-system/*"], together: {self.together}}}}}'.encode()

    def published(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """What each build published, as a run reads it."""
        return {
            f"build-{one.number}": {f"flux-system/{name}": frozenset({tag}) for name, tag in one.tags.items()}
            for one in self.builds
        }

    def plan(self, *, after: timedelta = timedelta(0)) -> Plan:
        """Plan it at the time of the tests, or later."""
        return plan(self.state(), NOW + after)

    def moved(self) -> list[dict[str, str]]:
        """What each planned pull request brings, by short names."""
        return [short(one.tags) for one in self.plan().proposals]

    def said(self, name: str) -> list[tuple[str, str | None, str]]:
        """Where a policy stands, with the tag and the reason."""
        return [(one.standing.value, one.tag, one.reason) for one in self.outcomes(name)]

    def outcomes(self, name: str) -> list[Outcome]:
        """What the plan says of a policy."""
        return [one for one in self.plan().outcomes if one.policy == f"flux-system/{name}"]

    def with_open(self, **tags: str) -> "Fleet":
        """The group's pull request is open with these tags."""
        carried = {f"flux-system/{name}": tag for name, tag in tags.items()}
        pull = OpenPullRequest(number=7, stage="all", group="shop", tags=carried, branch="fluxbridge/main/all/shop")
        return replace(self, pulls=(pull,))

    def holding(self, name: str, tag: str) -> "Fleet":
        """A person said no to a tag of a policy."""
        return replace(self, holds=(*self.holds, replace(hold("all", tag), policy=f"flux-system/{name}")))

    def merged(self) -> "Fleet":
        """Everything that is planned was merged."""
        moves = {name: tag for one in self.plan().proposals for name, tag in short(one.tags).items()}
        return replace(self, present={**self.present, **moves}, pulls=())

    def opened(self) -> "Fleet":
        """What is planned is done: opened or closed, else what is open stays."""
        found = self.plan()
        if found.proposals:
            return self.with_open(**short(found.proposals[0].tags))
        return replace(self, pulls=()) if found.closures else self

    def tags_of(self, name: str) -> Sequence[TagState]:
        """The tags of a policy."""
        reports = {
            tag: [report(tag, one.result, number=one.number) for one in self.builds if one.tags.get(name) == tag]
            for tag in (*self.tags.get(name, ()), *(one.tags[name] for one in self.builds if name in one.tags))
        }
        return [tag_state(tag, *its) for tag, its in reports.items()]


def short(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags by the policies' short names."""
    return {policy.rpartition("/")[2]: tag for policy, tag in tags.items()}


@cache
def _read(files: tuple[tuple[str, bytes], ...], rules: bytes) -> LaneState:
    """Files read once for many states."""
    return Lane(dict(files), rules=rules).state()
