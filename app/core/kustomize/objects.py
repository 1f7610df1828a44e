"""Objects of Kubernetes as kustomize carries them along."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.core.manifests.documents import Value
from app.core.manifests.values import texts_of, written_at


@dataclass(frozen=True, slots=True)
class KubeObject:
    """An object on its way into a cluster: what it says by now, the file that it stands in, what it was called there.

    `doubt` says what was done to it that is not followed; None where all was.
    """

    value: dict[str, Value] = field(hash=False)
    file: str
    first_namespace: str
    first_name: str
    doubt: str | None = None

    @classmethod
    def of(cls, value: dict[str, Value], file: str) -> "KubeObject":
        """An object as its file has it."""
        namespace, name = written_at(value, "metadata", "namespace"), written_at(value, "metadata", "name")
        return cls(value, file, namespace, name)

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
