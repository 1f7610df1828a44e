"""Reads `.fluxbridge.yaml` at the base head of the config repository: its form, and the rules that it means."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, StringConstraints, ValidationError, create_model

from app.core.promotion.gates.gate import Gate
from app.core.promotion.gates.table import GATES
from app.core.promotion.holds import Hold
from app.core.promotion.rules import DEFAULT_OPEN_LIMIT, Group, Rules, Stage, Together
from app.core.promotion.rules_document import InvalidRules, read_document
from app.core.promotion.rules_fields import MOST_WILDCARDS, WrittenField, WrittenPolicy, has_too_many_wildcards
from app.core.promotion.rules_holds import WrittenDenial, WrittenHold
from app.core.promotion.rules_mistakes import explain_mistakes
from app.core.promotion.rules_model import PolicyPattern, StrictModel
from app.core.promotion.stage_paths import MOST_PATTERNS, literal_part


def read_rules(content: bytes | None) -> Rules:
    """Read `.fluxbridge.yaml`; None (no such file) gives the default rules. Raises InvalidRules."""
    if content is None:
        return Rules()
    document = read_document(content)
    try:
        written = _WrittenRules.model_validate({} if document is None else document)
    except ValidationError as error:
        raise InvalidRules("; ".join(explain_mistakes(content, error, _keys()))) from error
    return _rules(written)


_Path = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f][^\x00-\x1f]*$", max_length=1000)]
_Variable = Annotated[str, StringConstraints(pattern=r"^[_A-Za-z][_A-Za-z0-9]*$", max_length=200)]
_VariableText = Annotated[str, StringConstraints(max_length=4000)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _ChangeRequests(StrictModel):
    allow: list[PolicyPattern] = Field(default_factory=list, max_length=1000)


# mypy takes the names of the fields for those of its own parameters.
_REQUIRES: type[StrictModel] = create_model(  # type: ignore[call-overload]
    "_Requires", __base__=StrictModel, **{key: (gate | None, None) for key, gate in GATES.items()}
)


def _gates(written: object) -> tuple[tuple[str, Gate], ...]:
    found = _REQUIRES.model_validate(written)
    return tuple((key, gate) for key in GATES if isinstance(gate := getattr(found, key), Gate))


def _not_yet(written: object, *, later: tuple[str, ...]) -> object:
    """Refuse what no version does so far, so that nobody takes it for done."""
    if written in later:
        raise ValueError(f"{written} cannot be asked for yet: leave it out")
    return written


class _WrittenStage(StrictModel):
    paths: list[_Path] = Field(min_length=1)
    requires: Annotated[tuple[tuple[str, Gate], ...], PlainValidator(_gates)] = ()
    merge: Annotated[Literal["people"], BeforeValidator(partial(_not_yet, later=("auto",)))] = "people"
    labels: list[str] = Field(default_factory=list, max_length=20)
    group: Literal["stage"] | None = None


class _Limits(StrictModel):
    open: int = Field(default=DEFAULT_OPEN_LIMIT, ge=1, le=1000)


def _root_alone(written: object) -> object:
    """A path is short for a root of which no variables are given."""
    return {"path": written} if isinstance(written, str) else written


class _WrittenRoot(StrictModel):
    path: _Path
    variables: dict[_Variable, _VariableText] = Field(default_factory=dict, max_length=1000)


class _WrittenGroup(StrictModel):
    policies: list[PolicyPattern] = Field(min_length=1, max_length=1000)
    together: Together = Field(default=Together.ANY, strict=False)


class _WrittenRules(StrictModel):
    roots: list[Annotated[_WrittenRoot, BeforeValidator(_root_alone)]] = Field(default_factory=list, max_length=1000)
    stages: dict[_Name, _WrittenStage] = Field(default_factory=dict)
    limits: _Limits = Field(default_factory=_Limits)
    update: Literal["always"] = "always"
    change_requests: _ChangeRequests = Field(default_factory=_ChangeRequests)
    groups: dict[_Name, _WrittenGroup] = Field(default_factory=dict, max_length=1000)
    fields: list[WrittenField] = Field(default_factory=list, max_length=1000)
    policies: list[WrittenPolicy] = Field(default_factory=list, max_length=10_000)
    holds: list[WrittenHold] = Field(default_factory=list, max_length=200)
    deny: list[WrittenDenial] = Field(default_factory=list, max_length=200)


def _rules(written: _WrittenRules) -> Rules:
    stages = tuple(
        Stage(
            name,
            paths=tuple(_clean_glob(path) for path in stage.paths),
            requires=stage.requires,
            labels=tuple(stage.labels),
            is_one_group=stage.group is not None,
        )
        for name, stage in written.stages.items()
    )
    _refuse_shared_paths(stages)
    if sum(literal_part(path) != path for stage in stages for path in stage.paths) > MOST_PATTERNS:
        raise InvalidRules(f"the stages have more than {MOST_PATTERNS} paths with * or ?: name folders")
    return Rules(
        roots=tuple(_clean(root.path) for root in written.roots),
        variables={_clean(root.path): root.variables for root in written.roots if root.variables},
        stages=stages or Rules().stages,
        has_declared_stages=bool(stages),
        open_limit=written.limits.open,
        declarations=tuple(one.declaration(number) for number, one in enumerate(written.fields)),
        policies=tuple(one.as_policy() for one in written.policies),
        change_requests_for=tuple(written.change_requests.allow),
        groups=tuple(Group(name, tuple(one.policies), one.together) for name, one in written.groups.items()),
        holds=_holds(written, [one.name for one in stages or Rules().stages]),
    )


def _holds(written: _WrittenRules, stages: Sequence[str]) -> tuple[Hold, ...]:
    try:
        held = [one.hold(number, stages) for number, one in enumerate(written.holds)]
    except ValueError as error:
        raise InvalidRules(str(error)) from error
    return (*held, *(one.hold(number) for number, one in enumerate(written.deny)))


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


def _clean_glob(path: str) -> str:
    if has_too_many_wildcards(path):
        raise InvalidRules(f"the path {path[:100]!r} has more than {MOST_WILDCARDS} of * and ?: write several")
    return _clean(path)


def _keys() -> set[str]:
    """Every key that the rules know, wherever it stands."""
    models, found = [StrictModel], set[str]()
    while models:
        model = models.pop()
        models += model.__subclasses__()
        found |= {one.alias or name for name, one in model.model_fields.items()}
    return found
