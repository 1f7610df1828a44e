"""Objects of Kubernetes as kustomize carries them along."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import texts_of, written_at

_NO_NAMESPACE = "default"


class Identity(NamedTuple):
    """What an object is called; without a namespace it is in `default`."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class KubeObject:
    """An object on its way into a cluster: what it says by now, the file that it stands in, what it was called before.

    `doubt` says what was done to it that is not followed; None where all was.
    """

    value: dict[str, Value] = field(hash=False)
    file: str
    earlier: tuple[Identity, ...] = ()
    doubt: str | None = None

    @classmethod
    def of(cls, value: dict[str, Value], file: str) -> "KubeObject":
        """An object as its file has it."""
        return cls(value, file)

    @property
    def identity(self) -> Identity:
        """What it is called by now."""
        return Identity(self.kind, self.namespace or _NO_NAMESPACE, self.name)

    @property
    def first(self) -> Identity:
        """What it was called first."""
        return self.earlier[0] if self.earlier else self.identity

    @property
    def identities(self) -> frozenset[Identity]:
        """What it is called by now, and what it was called before."""
        return frozenset((*self.earlier, self.identity))

    @property
    def group(self) -> str:
        """The API group; empty for the core of Kubernetes."""
        group, slash, _ = written_at(self.value, "apiVersion").rpartition("/")
        return group if slash else ""

    @property
    def version(self) -> str:
        """The API version."""
        return written_at(self.value, "apiVersion").rpartition("/")[2]

    @property
    def kind(self) -> str:
        """The kind."""
        return written_at(self.value, "kind")

    @property
    def namespace(self) -> str:
        """The namespace by now; empty where none is known."""
        return written_at(self.value, "metadata", "namespace")

    @property
    def name(self) -> str:
        """The name by now."""
        return written_at(self.value, "metadata", "name")

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels by now."""
        return texts_of(self.value, "metadata", "labels")

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations by now."""
        return texts_of(self.value, "metadata", "annotations")

    def remembering(self) -> "KubeObject":
        """The same object, before something changes what it is called."""
        return replace(self, earlier=tuple(dict.fromkeys((*self.earlier, self.identity))))

    def saying(self, value: dict[str, Value]) -> "KubeObject":
        """The same object with other content."""
        return replace(self, value=value)

    def doubted(self, why: str) -> "KubeObject":
        """The same object, with what is not followed; the first such thing counts."""
        return self if self.doubt else replace(self, doubt=why)

    def in_metadata(self, **changes: Value) -> "KubeObject":
        """The same object with other metadata."""
        known = self.value.get("metadata")
        metadata = {**(known if isinstance(known, dict) else {}), **changes}
        return self.saying({**self.value, "metadata": metadata})
