"""Policies of every kind of order, and tags that some of them can read and others cannot, for laws."""

from collections.abc import Mapping

from tests.core.promotion.lanes import policy_file

_BY_TIME = b"  filterTags: {pattern: '^[a-z]+-[a-f0-9]+-(?P<ts>[0-9]+)$', extract: $ts}\n"
_BY_NUMBER = b"  filterTags: {pattern: '^v?(?P<n>[0-9.]+)$', extract: $n}\n"
POLICIES: Mapping[str, bytes] = {
    "semver": policy_file("semver: {range: '>=0.0.1-0'}"),
    "narrow": policy_file("semver: {range: '<2.0.0'}"),
    "equal-versions": policy_file("semver: {range: '*'}") + _BY_NUMBER,
    "alphabetical": policy_file("alphabetical: {order: asc}"),
    "oldest": policy_file("alphabetical: {order: desc}"),
    "by-time": policy_file("numerical: {order: asc}") + _BY_TIME,
}
TAGS = (
    *("0.9.0", "1.0.0", "v1.0.0", "1.1.0", "1.1.0-rc.1", "1.10.0", "2.0.0", "latest"),
    *("main-aa-1", "main-bb-1", "main-aa-2", "dev-cc-10", "main-aa-09"),
)
