"""What people ask about, as it stands now: policies in a stage, with their tags, fields and history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from app.core.errors import Conflict, FluxbridgeError, Invalid, Refused, Unavailable
from app.core.images import ImageName
from app.core.nearest import among
from app.core.promotion.consent import in_stage
from app.core.promotion.parts import Member
from app.core.promotion.rules import Rules, Stage, Together
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import TagState
from app.core.promotion.walk import Entry
from app.db import holds, lanes, policies, promotions
from app.db.database import Database
from app.db.policies import PolicyPlace
from app.db.promotions import PromotionRow
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.judge import Judge
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from app.services.reading.plans import PlanDescription
from app.services.reading.policies import is_named
from app.services.systems import Clock, ConfigRepo, Systems

_MOST_HISTORY = 200


class NothingSo(Invalid):
    """A request names something that there is not."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {what} is called {name[:200]!r}, so nothing is asked for: {among(name, known)}")


class SeveralSo(Invalid):
    """A request names a policy that there is more than once."""

    def __init__(self, name: str, places: Iterable[str]) -> None:
        super().__init__(
            f"several policies are called {name[:200]!r}: say --repo and --root ({'; '.join(places)[:1000]})"
        )


class NotInStage(Invalid):
    """A policy has nothing in the stage that a request is about."""

    def __init__(self, policy: str, stage: str, stages: Sequence[str]) -> None:
        super().__init__(f"{policy} has no field in a stage {stage[:64]!r}: {among(stage, stages)}")


class OnlyObserved(Conflict):
    """A config repository is one in which nothing is opened."""

    def __init__(self, repo: str) -> None:
        super().__init__(
            f"config repository {repo} is only observed, so nothing would be opened: set config_repos.{repo}.mode: "
            "propose, or edit Git by hand"
        )


class LaneStopped(Conflict):
    """A lane whose rules cannot be read opens nothing."""

    def __init__(self, lane: str, problem: str) -> None:
        super().__init__(f"the lane {lane} is stopped, so nothing would be opened: {problem[:1000]}")


class NotReadHere(Conflict):
    """The config repository cannot be read where the request came to."""

    def __init__(self, repo: str, problem: str) -> None:
        super().__init__(f"config repository {repo} cannot be read just now, so nothing is asked for: {problem[:500]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPlace:
    """One policy in one stage of a lane; `history` is what was let in there, newest first."""

    lane: str
    rules: Rules
    member: Member
    history: Sequence[PromotionRow]

    @property
    def policy(self) -> PolicyState:
        """The policy as the stage sees it."""
        return self.member.policy

    @property
    def fields(self) -> Sequence[FieldState]:
        """Its fields in the stage."""
        return self.member.fields

    @property
    def name(self) -> str:
        """The policy's whole name."""
        return self.member.name

    @property
    def stage(self) -> str:
        """The stage's name."""
        return self.member.entry.stage.name

    @property
    def image(self) -> ImageName | None:
        """The repository that the policy chooses from, under its registry's own host."""
        return self.policy.repository

    @property
    def together(self) -> Together:
        """What binds it to the other members of its group."""
        return self.rules.group_of(self.policy.name, self.stage).together


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Answers what is there now, in the lanes of these systems."""

    database: Database
    systems: Systems
    scans: Scans
    clock: Clock
    views: dict[str, HeadView] = field(default_factory=dict)

    def place(self, policy: str, stage: str, *, repo: str | None, root: str | None) -> AskedPlace:
        """The one policy of this name in a stage. Raises NothingSo, SeveralSo, NotInStage, and what stops its lane."""
        found = self._named(policy, repo=repo, root=root)
        staged = [one for one in found if stage in one.stages]
        if not staged:
            raise NotInStage(str(found[0].name), stage, sorted({name for one in found for name in one.stages}))
        if len(staged) > 1:
            raise SeveralSo(policy, (f"{one.lane}, root {one.name.root!r}" for one in staged))
        [place] = self.places(staged[0].lane, stage, [str(staged[0].name)])
        return place

    def _named(self, policy: str, *, repo: str | None, root: str | None) -> Sequence[PolicyPlace]:
        with self.database.transaction() as connection:
            every = policies.places(connection)
        if repo is not None and repo not in self.systems.config_repos:
            raise NothingSo("config repository", repo, sorted(self.systems.config_repos))
        here = [one for one in every if repo in {None, one.repo} and root in {None, one.name.root}]
        found = [one for one in here if is_named(str(one.name), policy)]
        if not found:
            raise NothingSo("policy", policy, sorted({f"{one.name.namespace}/{one.name.name}" for one in here}))
        return found

    def lane_with(self, stages: Sequence[str], *, repo: str | None) -> str:
        """The one lane that has all of these stages. Raises NothingSo, SeveralSo."""
        if repo is not None and repo not in self.systems.config_repos:
            raise NothingSo("config repository", repo, sorted(self.systems.config_repos))
        with self.database.transaction() as connection:
            every = [one for one in policies.places(connection) if repo in {None, one.repo}]
        by_lane: dict[str, set[str]] = {}
        for one in every:
            by_lane.setdefault(one.lane, set()).update(one.stages)
        known = sorted({stage for its in by_lane.values() for stage in its})
        for stage in stages:
            if stage not in known:
                raise NothingSo("stage", stage, known)
        found = [lane for lane, its in sorted(by_lane.items()) if set(stages) <= its]
        if len(found) != 1:
            raise SeveralSo(" and ".join(stages), found or sorted(by_lane))
        return found[0]

    def places(self, lane: str, stage: str, names: Iterable[str] | None = None) -> Sequence[AskedPlace]:
        """Policies of a lane, by their whole names, or all of them, as far as they have something in a stage."""
        view = self.view(lane)
        wanted = set(names) if names is not None else {str(one.name) for one in view.tree.policies}
        its_stage = next((one for one in view.rules.stages if one.name == stage), None)
        if its_stage is None:
            raise NothingSo("stage", stage, [one.name for one in view.rules.stages])
        judge = Judge(database=self.database, systems=self.systems, ready=ReadyPolicies(), clock=self.clock)
        has_some = {str(one.policy) for one, at in view.staged if at == stage}
        has_some |= {str(one.policy) for one, at in view.refused if at == stage}
        found = judge.in_full(view, lane, wanted & has_some)
        with self.database.transaction() as connection:
            held = tuple(holds.active(connection, lane))
            histories = {
                str(one.name): promotions.let_in(
                    connection, lane, stage=stage, policy=str(one.name), limit=_MOST_HISTORY
                )
                for one in found
            }
        within = self.systems.timing.build_within
        entry = Entry(stage=its_stage, holds=held, now=self.clock(), build_within=within)
        return [
            AskedPlace(
                lane=lane,
                rules=view.rules,
                member=_member(one, view.rules, its_stage, entry),
                history=histories[str(one.name)],
            )
            for one in found
        ]

    def view(self, lane: str) -> HeadView:
        """The config repository as the lane's last run saw it. Raises OnlyObserved, NotReadHere, LaneStopped."""
        if lane in self.views:
            return self.views[lane]
        name = lane.partition(":")[0]
        repo = self.systems.config_repos.get(name)
        with self.database.transaction() as connection:
            row = lanes.find(connection, lane)
        if repo is None or row is None or row.last_head is None:
            raise NotReadHere(name, "its lane has not run yet")
        if repo.is_observing:
            raise OnlyObserved(name)
        problem = PlanDescription.model_validate_json(row.plan).problem if row.plan is not None else None
        if problem is not None:
            raise LaneStopped(lane, problem)
        try:
            view = self._read(repo, row.last_head)
        except FluxbridgeError as error:
            raise NotReadHere(name, str(error)) from error
        self.views[lane] = view
        return view

    def _read(self, repo: ConfigRepo, commit: str) -> HeadView:
        if not repo.repository.has_commit(commit):
            # The process that answers may be another than the one that ran the lane.
            repo.repository.fetch()
        return view_at(repo.repository, self.scans, commit, are_rules_required=repo.are_rules_required)

    def digest(self, image: ImageName, reference: str) -> tuple[str | None, str | None]:
        """What a registry says that a tag or digest names, None where it has none; or why it did not answer."""
        registry = self.systems.registry_of(image)
        if registry is None:
            return None, f"registry {image.registry} is not configured"
        try:
            return registry.digest(image.path, reference), None
        except (Unavailable, Refused) as error:
            return None, str(error)


def _member(state: PolicyState, rules: Rules, stage: Stage, entry: Entry) -> Member:
    return Member(
        policy=in_stage(state, stage, rules),
        fields=[one for one in state.fields if one.stage == stage.name],
        entry=entry,
        group=rules.group_of(state.name, stage.name).name,
        open_one=None,
    )


def with_tag(place: AskedPlace, known: TagState) -> AskedPlace:
    """The place where this is known of a tag."""
    tags = {**place.policy.tags, known.tag: known}
    return replace(place, member=replace(place.member, policy=replace(place.policy, tags=tags)))
