"""The rules of a lane, as its config repository asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.core.flux.from_rules import RULES_FILE as RULES_FILE
from app.core.flux.from_rules import Declaration
from app.core.flux.objects import Policy, PolicyName
from app.core.promotion.gates.evidence import Asks
from app.core.promotion.holds import Hold
from app.core.promotion.stage_paths import holds, literal_part

ONLY_STAGE = "all"
DEFAULT_OPEN_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Stage:
    """An environment: the paths (folders, files or patterns) that belong to it and what a tag needs to enter.

    `requires` are its gates, each with its key, in the order of `GATES`. All policies of one that `is_one_group` move
    in one pull request, whatever groups claim them.
    """

    name: str
    paths: tuple[str, ...] = ()
    requires: tuple[tuple[str, Asks], ...] = ()
    labels: tuple[str, ...] = ()
    is_one_group: bool = False

    @property
    def takes_change_requests(self) -> bool | None:
        """What its gates say of tags that only builds of change requests made; None: nothing."""
        said = (gate.consents_to_changes() for _, gate in self.requires)
        return next((one for one in said if one is not None), None)


class Together(StrEnum):
    """What binds the members of a group: nothing, one tag, or the tags that one build published."""

    ANY = "any"
    SAME_TAG = "same-tag"
    SAME_BUILD = "same-build"


@dataclass(frozen=True, slots=True)
class Group:
    """Policies whose moves in a stage are one pull request, by patterns of their names."""

    name: str
    policies: tuple[str, ...] = ()
    together: Together = Together.ANY


@dataclass(frozen=True, slots=True)
class Rules:
    """What a lane's config repository asks for. With no stages declared every field is in the stage `all`.

    `declarations` are fields without markers, `policies` those that stand here instead of in objects of Flux.
    `change_requests_for` are patterns of policies that may take tags which only builds of change requests made.
    `holds` are what they stop and deny, with images as written.
    """

    roots: tuple[str, ...] = ()
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    stages: tuple[Stage, ...] = (Stage(ONLY_STAGE),)
    has_declared_stages: bool = False
    open_limit: int = DEFAULT_OPEN_LIMIT
    declarations: tuple[Declaration, ...] = ()
    policies: tuple[Policy, ...] = ()
    change_requests_for: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    holds: tuple[Hold, ...] = ()

    def takes_change_requests(self, stage: Stage, policy: PolicyName) -> bool:
        """Tell whether a policy may take tags of change requests in a stage: a stage's own word beats any pattern."""
        if stage.takes_change_requests is not None:
            return stage.takes_change_requests
        return _matches(policy, self.change_requests_for)

    def groups_of(self, policy: PolicyName, stage: str) -> tuple[Group, ...]:
        """The groups that claim a policy in a stage; more than one is a mistake of the rules.

        A stage that is one group beats any pattern. That group has the stage's name.
        """
        if any(one.is_one_group for one in self.stages if one.name == stage):
            return (Group(stage),)
        return tuple(group for group in self.groups if _matches(policy, group.policies))

    def group_of(self, policy: PolicyName, stage: str) -> Group:
        """What a policy moves with in a stage: the group that claims it, else itself alone, by its whole name."""
        claims = self.groups_of(policy, stage)
        return claims[0] if len(claims) == 1 else Group(str(policy))

    def stages_of(self, file: str) -> tuple[Stage, ...]:
        """The stages with the longest path that holds this file: none, one, or several that have equal claims to it."""
        if not self.has_declared_stages:
            return self.stages[:1]
        claims = [
            (len(literal_part(path)), stage) for stage in self.stages for path in stage.paths if holds(path, file)
        ]
        longest = max((length for length, _ in claims), default=0)
        return tuple({stage.name: stage for length, stage in claims if length == longest}.values())

    def stage_of(self, file: str) -> Stage | None:
        """The one stage that holds this file; None where none does, or several alike."""
        held = self.stages_of(file)
        return held[0] if len(held) == 1 else None


def _matches(policy: PolicyName, patterns: Sequence[str]) -> bool:
    return any(policy.matches(pattern) for pattern in patterns)
