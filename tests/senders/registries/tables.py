"""What the tables of these tests are made of: an example with some values changed, and what was read, in short."""

import copy
import json
from typing import Any

from app.core.facts import ImagePushed, TagDeleted
from app.senders.sender import Parsed, Unusable
from tests.senders.examples import example, origin_of, read, sender_of


def changed(file: str, **values: Any) -> dict[str, Any]:
    """The body of an example with other values; `__` leads further in, and `...` takes a key out."""
    body: dict[str, Any] = copy.deepcopy(json.loads(example(file).body))
    for place, value in values.items():
        *way, last = place.split("__")
        inner = body
        for step in way:
            inner = inner[step]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    return body


def said(file: str, body: object, **headers: str) -> list[str]:
    """What is read of a body: `+tag` for a push, `-tag` for a deletion, `ignored`, `unusable`."""
    try:
        parsed = read(sender_of(file).kind, body, origin=origin_of(file), **headers)
    except Unusable:
        return ["unusable"]
    return [*_facts(parsed), *("ignored" for _ in parsed.ignored), *("unusable" for _ in parsed.problems)]


def _facts(parsed: Parsed) -> list[str]:
    told = [one for one in parsed.facts if isinstance(one, ImagePushed | TagDeleted)]
    assert len(told) == len(parsed.facts)
    marks = {ImagePushed: "+", TagDeleted: "-"}
    return [f"{marks[type(one)]}{one.image.path}:{one.tag or (one.digest or '')[:10]}" for one in told]
