"""The rules of a lane, as its config repository asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from app.core.flux.from_rules import RULES_FILE as RULES_FILE
from app.core.flux.from_rules import Declaration
from app.core.flux.objects import Policy, PolicyName
from app.core.promotion.stage_paths import holds, literal_part

ONLY_STAGE = "all"
DEFAULT_OPEN_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Stage:
    """An environment: the paths (folders, files or patterns) that belong to it and what a tag needs to enter.

    `takes_change_requests` is what it says of tags that only builds of change requests made; None: nothing.
    """

    name: str
    paths: tuple[str, ...] = ()
    requires_build: bool = False
    labels: tuple[str, ...] = ()
    takes_change_requests: bool | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a lane's config repository asks for. With no stages declared every field is in the stage `all`.

    `declarations` are fields without markers, `policies` those that stand here instead of in objects of Flux.
    `change_requests_for` are patterns of policies that may take tags which only builds of change requests made.
    """

    roots: tuple[str, ...] = ()
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    stages: tuple[Stage, ...] = (Stage(ONLY_STAGE),)
    has_declared_stages: bool = False
    open_limit: int = DEFAULT_OPEN_LIMIT
    declarations: tuple[Declaration, ...] = ()
    policies: tuple[Policy, ...] = ()
    change_requests_for: tuple[str, ...] = ()

    def takes_change_requests(self, stage: Stage, policy: PolicyName) -> bool:
        """Tell whether a policy may take tags of change requests in a stage: a stage's own word beats any pattern."""
        if stage.takes_change_requests is not None:
            return stage.takes_change_requests
        names = (str(policy), f"{policy.namespace}/{policy.name}")
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.change_requests_for)

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
