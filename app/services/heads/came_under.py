"""Under which spec the texts in Git came there: what tells a change of a policy from a text that was there before."""

import json
from collections import defaultdict
from dataclasses import replace
from hashlib import sha256

from sqlalchemy import Connection

from app.core.flux.objects import Policy
from app.core.flux.tree import Field
from app.core.promotion.rules import Rules
from app.db import fields

_NO_SPEC = "none"
# Another one wherever the same files are read otherwise than by the version before.
_READING = "2"

Texts = dict[tuple[str, str, str], set[str]]


def read_texts(connection: Connection, lane: str) -> Texts:
    """Read under which specs each field's text was first seen, by policy, file and text."""
    texts: Texts = defaultdict(set)
    for row in fields.of(connection, lane):
        texts[row.policy, row.file, row.text].add(row.spec_hash)
    return texts


def reading_of(rules: Rules) -> str:
    """What stands for how a repository is read: what came under a spec as it was read otherwise is at first contact."""
    given = json.dumps(rules.variables, sort_keys=True) if rules.variables else ""
    return f"{_READING}-{sha256(given.encode()).hexdigest()[:16]}" if given else _READING


def spec_hash(policy: Policy, reading: str) -> str:
    """What a text in Git came under: the policy's spec and the image that it names.

    That charts' tags are read back as versions is how a spec is read, and no change of it.
    """
    written = replace(policy.spec, is_chart=False).fingerprint() if policy.spec else _NO_SPEC
    return f"{reading}+{written}:{policy.image_text}"


def image_of(spec_hash: str) -> str:
    """The image that a text came under; empty where there was no policy that could choose anything."""
    spec, _, image = spec_hash.partition(":")
    return "" if spec.endswith(_NO_SPEC) else image


def came_under(present: str, one: Field, texts: Texts, *, is_usable: bool) -> str | None:
    """The hash of what a text came under: the present one where no run has seen it, none while that chooses nothing.

    What was read otherwise then, no run has seen.
    """
    reading = present.partition("+")[0] + "+"
    seen = texts.get((str(one.policy), one.file, one.marked.text), set())
    known = {one for one in seen if image_of(one) and one.startswith(reading)}
    if not known:
        return present if is_usable else None
    return present if present in known else min(known)
