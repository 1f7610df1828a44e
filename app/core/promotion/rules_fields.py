"""The keys `fields` and `policies` of `.fluxbridge.yaml`: their form, and the declarations and policies they mean."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from app.core.errors import Invalid
from app.core.flux.from_rules import RULES_FILE, Declaration
from app.core.flux.intervals import read_interval
from app.core.flux.objects import DigestReflection, Policy, PolicyName
from app.core.images import ImageName, is_of_classic
from app.core.manifests.kinds.declared import (
    ChartDependency,
    Containers,
    EnvKey,
    JsonPath,
    KustomizationImage,
    Selector,
    SourceRef,
    YamlPath,
)
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.places import Part
from app.core.policies.patterns import Pattern
from app.core.policies.selection import compile_policy
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter
from app.core.promotion.rules_model import StrictModel

_CHART_SCHEME = "oci://"
_CHART_VERSION = FieldPath.parse("spec.chart.spec.version")
_VALUES = FieldPath.parse("spec.values")
MOST_WILDCARDS = 20
_KUSTOMIZE_PARTS = {"newTag": Part.TAG, "newName": Part.NAME, "digest": Part.DIGEST}


def _path(written: object) -> FieldPath:
    if not isinstance(written, str):
        raise ValueError("a path is a string")  # noqa: TRY004 - pydantic takes a ValueError for a mistake
    try:
        return FieldPath.parse(written[:1000])
    except Invalid as error:
        raise ValueError(str(error)) from error


def _pattern(written: object) -> str:
    if not isinstance(written, str):
        raise ValueError("a pattern is a string")  # noqa: TRY004 - pydantic takes a ValueError for a mistake
    try:
        groups = Pattern.compile(written).groups
    except Invalid as error:
        raise ValueError(str(error)) from error
    if groups != 1:
        raise ValueError(f"the pattern has {groups} groups: put round brackets round the one place that is to be set")
    return written


def has_too_many_wildcards(glob: str) -> bool:
    """Tell whether a pattern has more of `*` and `?` than patterns in the rules may have."""
    return glob.count("*") + glob.count("?") > MOST_WILDCARDS


def _glob(written: str) -> str:
    if not {"", ".", ".."}.isdisjoint(written.split("/")):
        raise ValueError("files are named from the top of the repository, as apps/**/values.yaml, without ./ and ../")
    if has_too_many_wildcards(written):
        raise ValueError(f"files has more than {MOST_WILDCARDS} of * and ? in one pattern: write several")
    return written


def _short_for(key: str) -> BeforeValidator:
    """A lone string is short for a mapping with this key."""
    return BeforeValidator(lambda written: {key: written} if isinstance(written, str) else written)


def _as_list(written: object) -> object:
    return [written] if isinstance(written, str) else written


_Path = Annotated[FieldPath, PlainValidator(_path)]
_Pattern = Annotated[str, PlainValidator(_pattern)]
_Part = Annotated[Part, Field(strict=False)]
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=500)]
_Glob = Annotated[_Text, AfterValidator(_glob)]
_PolicyRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", max_length=520)]
_ObjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]


class _Kustomization(StrictModel):
    image: _Text
    set: list[Literal["newTag", "newName", "digest"]] = Field(default_factory=list)

    def selector(self) -> Selector:
        return KustomizationImage(self.image, tuple(dict.fromkeys(_KUSTOMIZE_PARTS[key] for key in self.set)))


class _Values(StrictModel):
    path: _Path
    part: _Part | None = None
    pattern: _Pattern | None = None

    def selector(self) -> Selector:
        return YamlPath(self.path, self.part, self.pattern)


class _Yaml(_Values):
    kind: _ObjectName = ""
    name: _ObjectName = ""

    def selector(self) -> Selector:
        return YamlPath(self.path, self.part, self.pattern, self.kind, self.name)


class _HelmRelease(_Values):
    name: _ObjectName = ""

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        depth = len(_VALUES.steps)
        is_value = self.path.steps[:depth] == _VALUES.steps and len(self.path.steps) > depth
        if self.path != _CHART_VERSION and not is_value:
            raise ValueError(f"path is below {_VALUES}, or {_CHART_VERSION}")
        return self

    def selector(self) -> Selector:
        part = self.part or (Part.VERSION if self.path == _CHART_VERSION else None)
        return YamlPath(self.path, part, self.pattern, "HelmRelease", self.name)


class _Source(StrictModel):
    kind: Literal["OCIRepository", "GitRepository"]
    name: _ObjectName

    def selector(self) -> Selector:
        return SourceRef(self.kind, self.name)


class _Json(_Values):
    def selector(self) -> Selector:
        return JsonPath(self.path, self.part, self.pattern)


class _Env(StrictModel):
    key: _Text
    part: _Part = Part.TAG
    pattern: _Pattern | None = None

    def selector(self) -> Selector:
        return EnvKey(self.key, self.part, self.pattern)


class _Dependency(StrictModel):
    name: _Text

    def selector(self) -> Selector:
        return ChartDependency(self.name)


class WrittenField(StrictModel):
    """An entry of `fields`: a policy, files, and one key that says where in them the field stands."""

    policy: _PolicyRef
    files: Annotated[list[_Glob], BeforeValidator(_as_list)] = Field(min_length=1, max_length=100)
    kustomization: Annotated[_Kustomization, _short_for("image")] | None = None
    values: Annotated[_Values, _short_for("path")] | None = None
    helm_release: Annotated[_HelmRelease, _short_for("path")] | None = None
    source: _Source | None = None
    containers: Literal[True] | None = None
    yaml: Annotated[_Yaml, _short_for("path")] | None = None
    json_: Annotated[_Json, _short_for("path")] | None = Field(default=None, alias="json")
    env: Annotated[_Env, _short_for("key")] | None = None
    dependency: Annotated[_Dependency, _short_for("name")] | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if len(self._kinds()) != 1:
            names = ", ".join(field.alias or name for name, field in type(self).model_fields.items())
            raise ValueError(f"besides policy and files an entry has exactly one of{names.partition('files,')[2]}")
        return self

    def declaration(self, number: int) -> Declaration:
        """What this entry, by its number in the list, declares."""
        namespace, _, name = self.policy.partition("/")
        (selector,) = self._kinds()
        return Declaration(f"fields.{number}", namespace, name, tuple(self.files), selector)

    def _kinds(self) -> Sequence[Selector]:
        kinds = (
            *(self.kustomization, self.values, self.helm_release, self.source, self.yaml),
            *(self.json_, self.env, self.dependency),
        )
        selectors = [kind.selector() for kind in kinds if kind is not None]
        return [*selectors, Containers()] if self.containers else selectors


class _SemVer(StrictModel):
    range: str


class _Order(StrictModel):
    order: Literal["asc", "desc"] = "asc"


class _Choice(StrictModel):
    semver: _SemVer | None = None
    alphabetical: _Order | None = None
    numerical: _Order | None = None

    def choice(self) -> Choice:
        choices: Mapping[str, Choice | None] = {
            "semver": SemVer(self.semver.range) if self.semver else None,
            "alphabetical": Alphabetical(self.alphabetical.order) if self.alphabetical else None,
            "numerical": Numerical(self.numerical.order) if self.numerical else None,
        }
        made = [one for one in choices.values() if one is not None]
        if len(made) != 1:
            raise ValueError(f"a policy has exactly one of {', '.join(choices)}")
        return made[0]


class _Filter(StrictModel):
    pattern: str = ""
    extract: str = ""


class WrittenPolicy(StrictModel):
    """An entry of `policies`: an ImagePolicy and its ImageRepository in one, with Flux's own keys."""

    name: _ObjectName
    namespace: _ObjectName = "flux-system"
    image: str | None = None
    chart: str | None = None
    policy: _Choice
    filter_tags: _Filter | None = Field(default=None, alias="filterTags")
    digest_reflection: DigestReflection = Field(default="Never", alias="digestReflectionPolicy")
    interval: str | None = None
    exclusion_list: list[str] = Field(default_factory=list, alias="exclusionList", max_length=25)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.image is None) == (self.chart is None):
            raise ValueError("a policy has exactly one of image and chart")
        if self.chart is not None and not (self.chart.startswith(_CHART_SCHEME) or is_of_classic(self.chart)):
            raise ValueError(
                f"chart is written {_CHART_SCHEME}host/path, or https://host/path/chart where the chart is in an "
                "index.yaml, and has no tag"
            )
        if (self.interval is None) == (self.digest_reflection == "Always"):
            raise ValueError("interval belongs to digestReflectionPolicy Always, which needs one")
        try:
            read_interval(self.interval or "")
            self._image()
            compile_policy(self._spec())
        except Invalid as error:
            raise ValueError(str(error)) from error
        return self

    def as_policy(self) -> Policy:
        """The policy of the lane that this entry is."""
        return Policy(
            name=PolicyName("", self.namespace, self.name),
            file=RULES_FILE,
            image=self._image(),
            image_text=self.image or str(self._image()),
            spec=self._spec(),
            digest_reflection=self.digest_reflection,
            digest_interval=read_interval(self.interval or ""),
        )

    def _image(self) -> ImageName:
        """The repository; of a chart the first part is the registry, whatever it looks like."""
        if self.chart is None:
            return ImageName.parse(self.image or "")
        if is_of_classic(self.chart):
            return ImageName.parse_chart(self.chart)
        registry, _, path = self.chart.removeprefix(_CHART_SCHEME).partition("/")
        return ImageName.at(registry, path, written=self.chart)

    def _spec(self) -> PolicySpec:
        chosen = self.filter_tags
        return PolicySpec(
            self.policy.choice(),
            TagFilter(chosen.pattern, chosen.extract) if chosen is not None else None,
            tuple(self.exclusion_list),
            is_chart=self.chart is not None,
        )
