"""As much of Prometheus' rules as the alerts of docs/operations.md use, over what was scraped.

Source: https://prometheus.io/docs/prometheus/latest/querying/functions/ (`increase` and `delta` need a series in two
scrapes; a counter that went down has begun anew).
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
Scrape = Mapping[tuple[str, Labels], float]
_ABSENT = re.compile(r"absent\((?P<name>\w+)\)")
_RULE = re.compile(
    r"(?P<how>max|sum)(?: by \((?P<by>\w+)\))?"
    r" ?\((?P<change>increase|delta)?\(?(?P<name>\w+)(?:\{(?P<label>\w+)=\"(?P<value>[^\"]*)\"\})?(?:\[\w+\]\))?\)"
    r" > (?P<limit>[\d.]+)"
)


def read(text: str) -> Scrape:
    """One scrape."""
    samples = (one for family in text_string_to_metric_families(text) for one in family.samples)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}


def fires(rule: str, scrapes: Sequence[Scrape]) -> bool:
    """Whether an alert's expression holds after these scrapes, all of them within its range."""
    if absent := _ABSENT.fullmatch(rule):
        return not any(name == absent["name"] for name, _ in scrapes[-1])
    found = _RULE.fullmatch(rule)
    assert found is not None, f"{rule} is more than this reads"
    groups: dict[str, list[float]] = defaultdict(list)
    for (name, labels), last in scrapes[-1].items():
        if name == found["name"] and (found["label"] is None or (found["label"], found["value"]) in labels):
            value = last if found["change"] is None else _change(found["change"], (name, labels), scrapes)
            if value is not None:
                groups[dict(labels).get(found["by"] or "", "")].append(value)
    together = sum if found["how"] == "sum" else max
    return any(together(values) > float(found["limit"]) for values in groups.values())


def _change(how: str, series: tuple[str, Labels], scrapes: Sequence[Scrape]) -> float | None:
    values = [one[series] for one in scrapes if series in one]
    if len(values) < 2:
        return None
    if how == "delta":
        return values[-1] - values[0]
    return sum(b - a if b >= a else b for a, b in pairwise(values))
