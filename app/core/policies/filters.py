"""Which tags a policy looks at, and what it orders them by: the exclusionList and filterTags."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from app.core.policies.patterns import Pattern
from app.core.policies.spec import InvalidPolicy, TagFilter
from app.core.policies.templates import Template
from app.core.policies.verdicts import TagVerdict, VerdictKind, quoted

DEFAULT_EXCLUSION = r"^.*\.sig$"
_MOST_EXCLUSIONS = 25


@dataclass(frozen=True, slots=True)
class Exclusions:
    r"""Patterns of tags that are never looked at; an empty list stands for Flux's default, cosign's signatures.

    >>> Exclusions.compile(()).verdict_on("1.2.3.sig").reason
    "excluded by '^.*\\\\.sig$'"
    """

    matchers: tuple[tuple[Callable[[str], bool], TagVerdict], ...]

    @classmethod
    def compile(cls, patterns: tuple[str, ...]) -> Self:
        """Compile the patterns of an exclusionList. Raises InvalidPolicy."""
        if len(patterns) > _MOST_EXCLUSIONS:
            raise InvalidPolicy(f"the exclusionList has {len(patterns)} patterns: Flux takes {_MOST_EXCLUSIONS}")
        return cls(tuple((_matcher(pattern), _excluded_by(pattern)) for pattern in patterns or (DEFAULT_EXCLUSION,)))

    def verdict_on(self, tag: str) -> TagVerdict | None:
        """The verdict by the first pattern that matches; None where none does."""
        for matches, verdict in self.matchers:
            if matches(tag):
                return verdict
        return None


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Keeps the tags that match and takes out of each the key by which it is ordered.

    >>> by_time = KeyFilter.compile(TagFilter(r"^main-[a-f0-9]+-(?P<ts>[0-9]+)$", "$ts"))
    >>> by_time.key("main-1a2b3c4d-1611840548"), by_time.key("dev-1a2b3c4d-1611840548")
    ('1611840548', None)
    """

    pattern: Pattern
    template: Template | None

    @classmethod
    def compile(cls, tag_filter: TagFilter) -> Self:
        """Compile a policy's filterTags. Raises InvalidPolicy."""
        pattern = Pattern.compile(tag_filter.pattern)
        return cls(pattern, Template.parse(tag_filter.extract, pattern) if tag_filter.extract else None)

    def key(self, tag: str) -> str | None:
        """The key of a tag, the whole tag where nothing is extracted; None where the pattern does not match."""
        match = self.pattern.search(tag)
        if match is None:
            return None
        return tag if self.template is None else self.template.expand(match)


def _matcher(pattern: str) -> Callable[[str], bool]:
    if pattern == DEFAULT_EXCLUSION:
        return _is_signature
    compiled = Pattern.compile(pattern)
    return lambda tag: compiled.search(tag) is not None


def _is_signature(tag: str) -> bool:
    # What the default pattern says, several times faster; its dot takes no line feed.
    return tag.endswith(".sig") and "\n" not in tag


def _excluded_by(pattern: str) -> TagVerdict:
    return TagVerdict(VerdictKind.EXCLUDED, f"excluded by {quoted(pattern)}")
