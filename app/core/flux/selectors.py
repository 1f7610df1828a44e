"""Label selectors of Kubernetes: which objects are meant by their labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import at, text_of, written_at

_SUBSTITUTION = "${"


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """What a selector asks of one label; `operator` as written: In, NotIn, Exists or DoesNotExist.

    >>> stage = LabelRequirement("stage", "NotIn", ("dev",))
    >>> stage.admits({"stage": "dev"}), stage.admits({"stage": "prod"}), stage.admits({})
    (False, True, True)
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As kubectl writes it."""
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case operator:
                return f"{self.key} {operator.lower()} ({','.join(self.values)})"

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels are as asked; what Flux fills in only in the cluster may be.

        Nothing is as asked by a requirement that Kubernetes refuses: Flux stalls there.
        """
        label = labels.get(self.key)
        if any(_SUBSTITUTION in one for one in (self.key, label or "", *self.values)):
            return True
        match self.operator:
            case "In":
                return label in self.values
            case "NotIn":
                return bool(self.values) and label not in self.values
            case "Exists":
                return label is not None and not self.values
            case "DoesNotExist":
                return label is None and not self.values
            case _:
                return False


def read_selector(written: Value) -> Iterator[LabelRequirement]:
    """The requirements of a selector, which must all hold; none where it is absent or empty, and selects everything."""
    for key, value in read_labels(at(written, "matchLabels")):
        yield LabelRequirement(key, "In", (value,))
    expressions = at(written, "matchExpressions")
    for one in expressions if isinstance(expressions, list) else []:
        values = at(one, "values")
        texts = tuple(text_of(item) for item in values) if isinstance(values, list) else ()
        yield LabelRequirement(written_at(one, "key"), written_at(one, "operator"), texts)


def read_labels(written: Value | None) -> tuple[tuple[str, str], ...]:
    """The labels of a mapping, sorted."""
    if not isinstance(written, dict):
        return ()
    return tuple(sorted((key, written_at(written, key)) for key in written))
