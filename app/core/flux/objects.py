"""What a config repository says about Flux, with every name resolved."""

from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Literal, Self

from app.core.flux.selectors import LabelRequirement
from app.core.images import ImageName
from app.core.policies.spec import PolicySpec

DigestReflection = Literal["Never", "IfNotPresent", "Always"]
DIGEST_INTERVAL = timedelta(minutes=10)
"""What Flux takes for an interval of zero."""


@dataclass(frozen=True, slots=True, order=True)
class PolicyName:
    """Which ImagePolicy of a config repository is meant.

    `root` is the path of the cluster's entry that reaches the policy, its folder where several roots or none reach
    it, and empty where the repository itself is the root.

    >>> str(PolicyName("clusters/prod", "flux-system", "app")), str(PolicyName("", "flux-system", "app"))
    ('clusters/prod:flux-system/app', 'flux-system/app')
    """

    root: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.root}:{self.namespace}/{self.name}" if self.root else f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read back what `str` wrote; namespaces and names have neither `:` nor `/` in them.

        >>> PolicyName.parse("clusters/prod:flux-system/app")
        PolicyName(root='clusters/prod', namespace='flux-system', name='app')
        """
        root, _, short = text.rpartition(":")
        namespace, _, name = short.partition("/")
        return cls(root, namespace, name)

    def matches(self, pattern: str) -> bool:
        """Tell whether a pattern means it, by its whole name or without its root.

        >>> PolicyName("clusters/prod", "flux-system", "app").matches("flux-system/*")
        True
        """
        return any(fnmatchcase(name, pattern) for name in (str(self), f"{self.namespace}/{self.name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """An ImagePolicy with the image of its ImageRepository.

    `image_text` is that image as written, which is what Flux writes into manifests. `digest_interval` is how often
    the registry is asked for the digest under Always. `labels` are those that the cluster gets.
    `problem` says why the policy cannot be used; None where it can. `is_suspended`: Flux is told to leave it alone.
    """

    name: PolicyName
    file: str
    image: ImageName | None
    image_text: str
    spec: PolicySpec | None
    digest_reflection: DigestReflection = "Never"
    digest_interval: timedelta = DIGEST_INTERVAL
    labels: tuple[tuple[str, str], ...] = ()
    problem: str | None = None
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxKustomization:
    """A Kustomization of Flux.

    `path` is the folder that it builds, relative to the repository and empty for the repository itself; `is_here` is
    false where that cannot be read or lies in another repository. `root` is the root that reaches the object itself,
    as in PolicyName.
    """

    root: str
    namespace: str
    name: str
    path: str
    file: str
    suspended: bool
    source_kind: str
    source_name: str
    source_namespace: str = ""
    is_here: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """An ImageUpdateAutomation of Flux, which writes the fields of its namespace's policies below a folder itself.

    `path` is that folder, relative to the repository and empty for all of it. `selector` is what it asks of the labels
    of policies, all of it.
    """

    namespace: str
    name: str
    path: str
    file: str
    is_suspended: bool
    selector: tuple[LabelRequirement, ...] = ()
