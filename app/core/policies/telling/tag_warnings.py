"""What a policy's tags give away: keys that collide, lose digits, or would win for ever."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from app.core.policies.filters import KeyFilter
from app.core.policies.numerical import parse_number
from app.core.policies.orders import is_descending
from app.core.policies.selection import Selection, VerdictKind
from app.core.policies.spec import Alphabetical, Numerical, PolicySpec, SemVer
from app.core.policies.telling.sortable import is_odd_width, time_in
from app.core.policies.telling.spec_warnings import about_dotless, dotless_part
from app.core.policies.telling.warning_kinds import Finding, WarningKind
from app.core.policies.verdicts import quoted
from app.core.policies.versions import parse_loose_version, parse_version

_EXACT_UP_TO = 2**53
_TWO_NUMBERS = re.compile(r"v?[0-9]+\.[0-9]+(?:[-+]|$)")
_CLOCK_TOLERANCE = timedelta(days=1)
_MOST_LOOKED_AT = 1_000

Key = Callable[[str], str | None]


def of_tags(spec: PolicySpec, selection: Selection, now: datetime) -> Iterator[Finding]:
    """Look at what a policy of this spec selected among; of the tags that lost only the first thousand count."""
    taken = (lambda text: text) if spec.filter is None else KeyFilter.compile(spec.filter).key

    def key(tag: str) -> str | None:
        return taken(spec.readable(tag))

    yield from _shared_keys(selection)
    ranked = selection.ranked[:_MOST_LOOKED_AT]
    match spec.choice:
        case SemVer():
            yield from _two_parts(selection, key)
            yield from _dotless(ranked, key)
        case Alphabetical(order):
            yield from _for_ever(ranked, key, now, is_smallest=is_descending(order), is_text=True)
        case Numerical(order):
            yield from _large(ranked, key)
            yield from _for_ever(ranked, key, now, is_smallest=is_descending(order), is_text=False)


def _shared_keys(selection: Selection) -> Iterator[Finding]:
    sharing = [tag for tag, verdict in selection.verdicts.items() if verdict.kind is VerdictKind.SAME_KEY]
    if sharing:
        example = max(sharing)
        yield Finding(
            WarningKind.SHARED_KEY,
            f"{quoted(example)} {selection.verdicts[example].reason}, so it can never be chosen{_more(sharing)}: let "
            "the pattern or extract tell such tags apart",
        )


def _two_parts(selection: Selection, key: Key) -> Iterator[Finding]:
    """Versions of fewer than three numbers, which are common and which Flux passes over in silence."""
    short = [
        tag
        for tag, verdict in selection.verdicts.items()
        if verdict.kind is VerdictKind.NOT_A_VERSION and _is_short(key(tag))
    ]
    if short:
        yield Finding(
            WarningKind.TWO_PART_TAGS,
            f"{quoted(max(short))} has two numbers, and Flux passes over a tag without two dots{_more(short)}: push "
            r"tags of three numbers, or use filterTags with pattern '^[0-9]+\.[0-9]+$' and extract '$0.0'",
        )


def _is_short(key: str | None) -> bool:
    return key is not None and _TWO_NUMBERS.match(key) is not None and parse_loose_version(key) is not None


def _dotless(ranked: Sequence[str], key: Key) -> Iterator[Finding]:
    for tag in ranked:
        version = parse_version(key(tag) or "")
        part = None if version is None else dotless_part(version)
        if part is not None:
            yield about_dotless(part, f"the tag {quoted(tag)}")
            return


def _large(ranked: Sequence[str], key: Key) -> Iterator[Finding]:
    keys = [key(tag) or "" for tag in ranked]
    large = [text for text in keys if _EXACT_UP_TO < abs(parse_number(text) or 0) < math.inf]
    if large:
        yield Finding(
            WarningKind.LARGE_NUMBER,
            f"the number {quoted(large[0])} is above 2^53, where Flux's numbers have lost their last digits and "
            f"neighbours are equal{_more(large)}: extract fewer digits, or order alphabetically where all are as long",
        )


def _for_ever(ranked: Sequence[str], key: Key, now: datetime, *, is_smallest: bool, is_text: bool) -> Iterator[Finding]:
    """A first tag that no tag pushed at the right time will ever come before."""
    if not ranked:
        return
    first, shown = key(ranked[0]) or "", quoted(ranked[0])
    others = [key(tag) or "" for tag in ranked[1:]]
    at = time_in(first)
    if at is not None and at > now + _CLOCK_TOLERANCE and not is_smallest:
        yield Finding(
            WarningKind.FUTURE_KEY,
            f"{shown} is of {at:%Y-%m-%d %H:%M} UTC, which is still to come, and wins until then: delete the tag, or "
            "exclude it by the repository's exclusionList",
        )
    if is_odd_width(first, others, is_text=is_text):
        yield Finding(
            WarningKind.ODD_WIDTH,
            f"the key {quoted(first)} of {shown} has {len(first)} digits, unlike most others such as "
            f"{quoted(others[0])}, and wins for ever (milliseconds among seconds, numbers without leading zeros): "
            "narrow the pattern to one length",
        )


def _more(tags: Sequence[str]) -> str:
    return f" ({len(tags)} such tags)" if len(tags) > 1 else ""
