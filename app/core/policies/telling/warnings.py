"""Warnings about a policy: what Flux accepts in silence and people hardly mean."""

from collections.abc import Iterator
from datetime import datetime

from app.core.policies.selection import Selection, compile_policy
from app.core.policies.spec import InvalidPolicy, PolicySpec
from app.core.policies.telling.spec_warnings import of_spec
from app.core.policies.telling.tag_warnings import of_tags
from app.core.policies.telling.warning_kinds import Finding, PolicyWarning, WarningKind

__all__ = ["PolicyWarning", "WarningKind", "warn"]


def warn(
    spec: PolicySpec,
    *,
    place: str,
    digest_reflection: str | None = None,
    seen: tuple[Selection, datetime] | None = None,
) -> tuple[PolicyWarning, ...]:
    """Warn of a policy's spec, and of the tags that it was shown where `seen` has its selection and the time of it.

    Nothing where the spec does not compile: that is an error, which others tell.

    >>> from app.core.policies.spec import SemVer
    >>> [one.message for one in warn(PolicySpec(SemVer("^*")), place="app.yaml")]
    ["'^*' accepts 0.0.0 only, not every version: write '*' for every version"]
    """
    try:
        compile_policy(spec)
    except InvalidPolicy:
        return ()
    found = dict.fromkeys(_findings(spec, digest_reflection, seen))
    return tuple(PolicyWarning(kind, place, message) for kind, message in found)


def _findings(
    spec: PolicySpec, digest_reflection: str | None, seen: tuple[Selection, datetime] | None
) -> Iterator[Finding]:
    yield from of_spec(spec, digest_reflection)
    if seen is not None:
        yield from of_tags(spec, *seen)
