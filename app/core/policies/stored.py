"""A policy's spec as it was written down: `PolicySpec.as_json`, turned round."""

from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter


def read_spec(document: object) -> PolicySpec | None:
    """Read the JSON document of a spec; None where it is none, as for a policy that could not be read.

    >>> import json
    >>> spec = PolicySpec(SemVer("1.x"), TagFilter("^v"), ("rc",))
    >>> read_spec(json.loads(spec.as_json())) == spec
    True
    """
    match document:
        case {"kind": kind, "choice": {**written}, "filter": tag_filter, "exclusion_list": [*exclusions]}:
            choice = _choice(kind, written)
        case _:
            return None
    is_chart = isinstance(document, dict) and document.get("is_chart") is True
    patterns = tuple(one for one in exclusions if isinstance(one, str))
    if choice is None or len(patterns) < len(exclusions):
        return None
    match tag_filter:
        case None:
            return PolicySpec(choice, None, patterns, is_chart)
        case {"pattern": str(pattern), "extract": str(extract)}:
            return PolicySpec(choice, TagFilter(pattern, extract), patterns, is_chart)
        case _:
            return None


def _choice(kind: object, written: object) -> Choice | None:
    match kind, written:
        case "SemVer", {"range": str(text)}:
            return SemVer(text)
        case "Alphabetical", {"order": str(order)}:
            return Alphabetical(order)
        case "Numerical", {"order": str(order)}:
            return Numerical(order)
        case _:
            return None
