"""Which objects something in a kustomization is for: patterns of kind, name and namespace, and selectors of labels.

Sources: kustomize's `SelectorRegex` (each part is an anchored pattern; namespace and name fit by what they were first
or are by now, and no namespace is `default`), Kubernetes' syntax of label selectors.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.core.errors import Invalid
from app.core.kustomize.kinds import FOLLOWED
from app.core.kustomize.objects import KubeObject
from app.core.policies.patterns import Pattern
from app.core.policies.spec import InvalidPolicy

_REQUIREMENT = re.compile(
    r"\s*+(?P<absent>!)?\s*+(?P<key>[\w./-]++)\s*+"
    r"(?:(?P<operator>==|!=|=)\s*+(?P<value>[\w.-]*+)|(?P<set>\bin|\bnotin)\s*+\((?P<values>[^()]*+)\))?\s*+(?:,|$)"
)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class InvalidSelector(Invalid):
    """A pattern, or a selector of labels, is not written as kustomize and Kubernetes read it."""

    def __init__(self, text: str, what: str = "label selector") -> None:
        super().__init__(f"{text[:200]!r} is no {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a patch is for; an empty part fits everything."""

    group: str = ""
    version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    labels: str = ""
    annotations: str = ""

    @classmethod
    def of(cls, text: Callable[[str], str]) -> "Target":
        """The target of a patch, each part by the key that it has there."""
        parts = {key: text(key) for key in ("group", "version", "kind", "namespace", "name")}
        return cls(labels=text("labelSelector"), annotations=text("annotationSelector"), **parts)

    @property
    def plain_name(self) -> str | None:
        """The name where it is no pattern that may match others."""
        return self.name if _PLAIN.fullmatch(self.name) else None

    def may_fit(self) -> bool:
        """Whether it may be for an object that is followed. Raises InvalidSelector."""
        return any(fits(self.kind, kind) and fits(self.group, group) for kind, group in FOLLOWED.items())

    def fits(self, one: KubeObject) -> bool:
        """Whether it is for an object. Raises InvalidSelector."""
        called = (one.first, one.identity)
        return (
            fits(self.kind, one.kind)
            and fits(self.group, one.group)
            and fits(self.version, one.version)
            and any(fits(self.name, each.name) for each in called)
            and any(fits(self.namespace, each.namespace) for each in called)
            and selects(self.labels, one.labels)
            and selects(self.annotations, one.annotations)
        )


EVERYTHING = Target()


@lru_cache(maxsize=10_000)
def fits(pattern: str, text: str) -> bool:
    """Whether a pattern matches a text as a whole; an empty one matches every text. Raises InvalidSelector."""
    if not pattern or pattern == text:
        return True
    if _PLAIN.fullmatch(pattern):
        return False
    try:
        return Pattern.compile(f"^(?:{pattern})$").search(text) is not None
    except InvalidPolicy as error:
        raise InvalidSelector(pattern, "pattern") from error


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil all requirements of a selector (`app=web,tier!=db,env in (a,b),!old`).

    Raises InvalidSelector.
    """
    end, whole = 0, len(selector.rstrip())
    while end < whole:
        found = _REQUIREMENT.match(selector, end)
        if found is None or (found["absent"] and (found["operator"] or found["set"])):
            raise InvalidSelector(selector)
        if not _is_fulfilled(found, labels):
            return False
        end = found.end()
    return True


def _is_fulfilled(found: re.Match[str], labels: Mapping[str, str]) -> bool:
    own = labels.get(found["key"])
    if found["absent"]:
        return own is None
    if found["operator"]:
        return (own != found["value"]) if found["operator"] == "!=" else (own == found["value"])
    if found["set"]:
        values = {one.strip() for one in found["values"].split(",")}
        return (own not in values) if found["set"] == "notin" else (own in values)
    return own is not None
