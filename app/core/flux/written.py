"""What one file says about Flux, before anything is known of the other files."""

from dataclasses import dataclass, field
from datetime import timedelta

from app.core.flux.objects import DIGEST_INTERVAL, DigestReflection
from app.core.flux.selectors import LabelRequirement
from app.core.manifests.kinds.markers import MarkerScan
from app.core.manifests.places import Problem
from app.core.manifests.text.documents import Value
from app.core.policies.spec import PolicySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPolicy:
    """An ImagePolicy as its file has it; `spec` lacks the exclusionList, which is the ImageRepository's."""

    namespace: str
    name: str
    repository_namespace: str = ""
    repository_name: str = ""
    spec: PolicySpec | None = None
    digest_reflection: DigestReflection = "Never"
    digest_interval: timedelta = DIGEST_INTERVAL
    labels: tuple[tuple[str, str], ...] = ()
    problem: str | None = None
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRepository:
    """An ImageRepository as its file has it."""

    namespace: str
    name: str
    image: str = ""
    exclusion_list: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAutomation:
    """An ImageUpdateAutomation as its file has it; `path` is its spec.update.path as written.

    `branch` is the one that it reads where that is not its source's, `push_branch` the one that it writes where that is
    another, and `selector` its spec.policySelector, of which all must hold.
    """

    namespace: str
    name: str
    path: str
    is_suspended: bool
    branch: str = ""
    push_branch: str = ""
    selector: tuple[LabelRequirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenKustomization:
    """A Kustomization of Flux as its file has it; `path` as written."""

    namespace: str
    name: str
    path: str
    target_namespace: str
    is_suspended: bool
    source_kind: str
    source_namespace: str
    source_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSource:
    """A GitRepository, OCIRepository or Bucket: where Kustomizations take their files from.

    Of a GitRepository `branch` is the branch that it follows, and `pinned` what keeps it to one commit or to tags.
    """

    kind: str
    namespace: str
    name: str
    url: str
    branch: str = ""
    pinned: str = ""
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KustomizeFile:
    """A kustomization.yaml: every path that it names, relative to its folder, and what it says but for its images."""

    names: tuple[str, ...]
    content: Value = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxPart:
    """What one file says about Flux; `objects` are of the kinds that are followed, `operations` JSON patches."""

    objects: tuple[dict[str, Value], ...] = field(default=(), hash=False)
    operations: tuple[Value, ...] = field(default=(), hash=False)
    kustomize: KustomizeFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedFile:
    """All that is known from one file's content alone. The same path and content always give an equal one.

    `problems` are of what is not used, `noticed` is what Flux reads otherwise.
    """

    markers: MarkerScan = field(default_factory=MarkerScan)
    flux: FluxPart = field(default_factory=FluxPart)
    problems: tuple[Problem, ...] = ()
    noticed: tuple[Problem, ...] = ()
