"""Cases written as JSON: a policy and the tags that it is shown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import Invalid
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter
from app.core.policies.verdicts import quoted


class InvalidCase(Invalid):
    """A text is no case: nobody can say what it asks."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be chosen by, and among what."""

    spec: PolicySpec
    tags: tuple[str, ...]


def read_case(line: bytes) -> Case:
    """Read one object. Absent, null and empty mean the same, as they do to Flux; unknown keys are passed over.

    Raises InvalidCase. Whether the policy itself can be used shows only when it is compiled.

    >>> case = read_case(b'{"kind": "numerical", "order": "desc", "tags": ["1", "2"], "note": "ours"}')
    >>> case.spec.choice, case.tags
    (Numerical(order='desc'), ('1', '2'))
    """
    try:
        found: object = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise InvalidCase(f"not UTF-8 at byte {error.start}: write the case in UTF-8") from error
    except RecursionError as error:
        raise InvalidCase("JSON that is nested too deep: a case is one flat object") from error
    except json.JSONDecodeError as error:
        raise InvalidCase(f"not JSON from character {error.pos + 1}: {error.msg}") from error
    except ValueError as error:
        raise InvalidCase("a number in it is too long to read: leave it out") from error
    if not isinstance(found, dict):
        raise InvalidCase('not an object: write a case like {"kind": "semver", "range": "*", "tags": []}')
    return Case(PolicySpec(_choice(found), _filter(found)), _tags(found))


def _choice(case: Mapping[str, object]) -> Choice:
    match case.get("kind"):
        case "semver":
            return SemVer(_text(case, "range"))
        case "alphabetical":
            return Alphabetical(_text(case, "order"))
        case "numerical":
            return Numerical(_text(case, "order"))
        case None:
            raise InvalidCase("no kind: write semver, alphabetical or numerical")
        case str(kind):
            raise InvalidCase(f"the kind {quoted(kind)} is not known: write semver, alphabetical or numerical")
    raise InvalidCase("the kind is no text: write semver, alphabetical or numerical")


def _filter(case: Mapping[str, object]) -> TagFilter | None:
    if case.get("pattern") is None and case.get("extract") is None:
        return None
    return TagFilter(_text(case, "pattern"), _text(case, "extract"))


def _text(case: Mapping[str, object], key: str) -> str:
    value = case.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidCase(f"{key} is no text: write it in quotes")
    return value


def _tags(case: Mapping[str, object]) -> tuple[str, ...]:
    tags = case.get("tags")
    if tags is None:
        return ()
    if not isinstance(tags, list):
        raise InvalidCase('tags is no list: write them like ["1.0.0", "1.1.0"]')
    for position, tag in enumerate(tags, start=1):
        if not isinstance(tag, str):
            raise InvalidCase(f"tag {position} of {len(tags)} is no text: write it in quotes")
    return tuple(tags)
