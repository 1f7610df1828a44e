"""The rules of a lane: `.fluxbridge.yaml` at the base head of the config repository."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app.core.errors import Invalid
from app.core.flux.declared import RULES_FILE as RULES_FILE
from app.core.flux.declared import Declaration
from app.core.flux.objects import Policy
from app.core.manifests.stand_ins import explain_stand_in
from app.core.promotion.declared_fields import StrictModel, WrittenField, WrittenPolicy

ONLY_STAGE = "all"
_DEFAULT_OPEN_LIMIT = 10
_LARGEST_RULES = 256 * 1024
# What the parser raises: its own errors, and others where a text does not fit the !! tag that it is given.
_UNREADABLE = (YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError, AssertionError)


class InvalidRules(Invalid):
    """The rules of a lane cannot be used, so the lane proposes nothing until they are mended."""

    def __init__(self, problem: str) -> None:
        # What the parsers say may hold half surrogates out of the file.
        self.problem = problem.encode("utf-8", "backslashreplace").decode()
        super().__init__(f"{RULES_FILE}: {self.problem}; nothing is proposed until this is mended on the base branch")


@dataclass(frozen=True, slots=True)
class Stage:
    """An environment: the paths that belong to it and what a tag needs to enter."""

    name: str
    paths: tuple[str, ...] = ()
    requires_build: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a lane's config repository asks for. With no stages declared every field is in the stage `all`.

    `declarations` are fields without markers, `policies` those that stand here instead of in objects of Flux.
    """

    roots: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = (Stage(ONLY_STAGE),)
    has_declared_stages: bool = False
    open_limit: int = _DEFAULT_OPEN_LIMIT
    declarations: tuple[Declaration, ...] = ()
    policies: tuple[Policy, ...] = ()

    def stage_of(self, file: str) -> Stage | None:
        """Return the stage with the longest path that holds this file; None where no stage does."""
        if not self.has_declared_stages:
            return self.stages[0]
        held = [(len(path), stage) for stage in self.stages for path in stage.paths if is_below(file, path)]
        return max(held, key=lambda pair: pair[0])[1] if held else None


def is_below(file: str, path: str) -> bool:
    """Tell whether a file is this path or lies below it.

    >>> is_below("apps/staging/app.yaml", "apps/staging"), is_below("apps/staging2/app.yaml", "apps/staging")
    (True, False)
    """
    return path in {"", file} or file.startswith(f"{path}/")


def read_rules(content: bytes | None) -> Rules:
    """Read `.fluxbridge.yaml`; None (no such file) gives the default rules. Raises InvalidRules."""
    if content is None:
        return Rules()
    if len(content) > _LARGEST_RULES:
        raise InvalidRules(f"larger than {_LARGEST_RULES // 1024} KiB")
    stand_in = explain_stand_in(content)
    if stand_in is not None:
        raise InvalidRules(stand_in)
    try:
        document = YAML(typ="safe", pure=True).load(content)
    except _UNREADABLE as error:
        raise InvalidRules(f"not readable as YAML: {' '.join(str(error).split())[:300]}") from error
    try:
        written = _WrittenRules.model_validate({} if document is None else document)
    except ValidationError as error:
        raise InvalidRules("; ".join(_explain(error))) from error
    return _rules(written)


_Path = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f][^\x00-\x1f]*$", max_length=1000)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _Requires(StrictModel):
    build: Literal["success"] | None = None


class _WrittenStage(StrictModel):
    paths: list[_Path] = Field(min_length=1)
    requires: _Requires = _Requires()
    labels: list[str] = Field(default_factory=list, max_length=20)


class _Limits(StrictModel):
    open: int = Field(default=_DEFAULT_OPEN_LIMIT, ge=1, le=1000)


class _WrittenRules(StrictModel):
    roots: list[_Path] = Field(default_factory=list)
    stages: dict[_Name, _WrittenStage] = Field(default_factory=dict)
    limits: _Limits = _Limits()
    update: Literal["always"] = "always"
    fields: list[WrittenField] = Field(default_factory=list, max_length=1000)
    policies: list[WrittenPolicy] = Field(default_factory=list, max_length=10_000)


def _rules(written: _WrittenRules) -> Rules:
    stages = tuple(
        Stage(
            name,
            paths=tuple(_clean(path) for path in stage.paths),
            requires_build=stage.requires.build is not None,
            labels=tuple(stage.labels),
        )
        for name, stage in written.stages.items()
    )
    _refuse_shared_paths(stages)
    return Rules(
        roots=tuple(_clean(root) for root in written.roots),
        stages=stages or Rules().stages,
        has_declared_stages=bool(stages),
        open_limit=written.limits.open,
        declarations=tuple(one.declaration(number) for number, one in enumerate(written.fields)),
        policies=tuple(one.as_policy() for one in written.policies),
    )


def _refuse_shared_paths(stages: Sequence[Stage]) -> None:
    owners: dict[str, str] = {}
    for stage in stages:
        for path in stage.paths:
            if owners.setdefault(path, stage.name) != stage.name:
                raise InvalidRules(f"stages.{owners[path]} and stages.{stage.name} both claim the path {path!r}")


def _clean(path: str) -> str:
    segments = [segment for segment in path.split("/") if segment not in {"", "."}]
    if ".." in segments:
        raise InvalidRules(f"the path {path!r} leaves the repository")
    return "/".join(segments)


def _explain(error: ValidationError) -> list[str]:
    return [f"{'.'.join(str(part) for part in one['loc']) or 'the file'}: {one['msg']}" for one in error.errors()]
