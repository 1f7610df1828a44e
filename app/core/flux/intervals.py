"""Intervals as Flux's objects have them."""

import re
from datetime import timedelta

from app.core.flux.objects import DIGEST_INTERVAL
from app.core.flux.spec_texts import Unreadable

_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_S = 10.0 * 366 * 24 * 3600


def read_interval(written: str) -> timedelta:
    """A Go duration as the CRD takes it (`1h30m`); nothing and zero are Flux's ten minutes. Raises Unreadable."""
    if not re.fullmatch(rf"(?:{_SPAN.pattern})*", written):
        raise Unreadable(f"spec.interval {written[:80]!r} is no duration such as 10m or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(written[:80]))
    return timedelta(seconds=min(seconds, _LONGEST_S)) or DIGEST_INTERVAL
