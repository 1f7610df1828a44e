"""Fields that no marker names: `.fluxbridge.yaml` says where they stand. What every kind of them has in common."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from app.core.images import ImageReference, InvalidImage
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.kinds.markers import MarkedField
from app.core.manifests.places import Neighbour, Part, Problem


@dataclass(frozen=True, slots=True)
class KustomizationImage:
    """The entry of a kustomization's `images` with this `name`, exactly as written there.

    `parts` are the keys to set; with none given newTag, and newName and digest where they are there already or, for
    digest, where the policy reflects one.
    """

    name: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class YamlPath:
    """A path in the documents of a YAML file, or only in its objects of this kind and name (empty: any).

    It leads to scalars or to mappings with tag, repository and digest, as Helm charts have them. `part` None is told by
    the last key. With `pattern` only what its one group matches is the field.
    """

    path: FieldPath
    part: Part | None = None
    pattern: str | None = None
    kind: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class SourceRef:
    """`spec.ref.tag` or `spec.ref.semver` of the OCIRepository or GitRepository of this name."""

    kind: Literal["OCIRepository", "GitRepository"]
    name: str


@dataclass(frozen=True, slots=True)
class Containers:
    """The images of all containers in objects with a pod spec; those of the policy's image are its fields."""


@dataclass(frozen=True, slots=True)
class ChartDependency:
    """`version` of the dependency of this name (or alias) in Chart.yaml or requirements.yaml."""

    name: str


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path in a JSON file, as in YamlPath."""

    path: FieldPath
    part: Part | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class EnvKey:
    """The value of a key in a `.env` file; with `pattern` only what its one group matches."""

    key: str
    part: Part = Part.TAG
    pattern: str | None = None


_IMAGES = (Part.NAME, Part.REFERENCE)

Selector: TypeAlias = KustomizationImage | YamlPath | SourceRef | Containers | ChartDependency | JsonPath | EnvKey


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """A place in a file that a declaration names, with the same reading as MarkedField.

    `where` is the place in words of the format (`images[app].newTag`, `image.tag`). `start` and `end` are the bytes
    of the file that are replaced; they are equal where something is to be put in, and `text` is empty then. With a
    pattern they enclose only the group. `is_optional`: set only where the policy has something for it. `is_missing`:
    its key is to be added too. `neighbours` decide in its place.
    """

    selector: Selector
    part: Part
    where: str
    start: int
    end: int
    line: int
    text: str
    is_text: bool = True
    is_optional: bool = False
    is_missing: bool = False
    neighbours: tuple[Neighbour, ...] = field(default=(), compare=False)

    def holds(self, text: str) -> bool:
        """Tell whether the place has this very string already, or another way to write the same image."""
        if not self.is_text or self.start == self.end:
            return False
        return self.text == text or (self.part in _IMAGES and _same_image(self.text, text))


AnyField: TypeAlias = MarkedField | DeclaredField


@dataclass(frozen=True, slots=True)
class FieldScan:
    """The fields that one declaration finds in one file, in order, and what a person should look at there."""

    fields: tuple[DeclaredField, ...] = ()
    problems: tuple[Problem, ...] = ()


def _same_image(one: str, other: str) -> bool:
    try:
        return ImageReference.parse(one) == ImageReference.parse(other)
    except InvalidImage:
        return False
