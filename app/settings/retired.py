"""Settings of earlier versions that nothing reads any more: they are told, and keep nobody from starting."""

from collections.abc import Iterator, Mapping

from app.settings.document import Key

_EACH = "*"
_FOUND_ANYHOW = (
    "is not needed any more: what a webhook that got lost told of is found by looking at branches and pull requests; "
    "delete it"
)
_RETIRED: Mapping[tuple[str, ...], str] = {
    ("sweeps", "webhooks"): _FOUND_ANYHOW,
    ("config_repos", _EACH, "forge", "redeliver"): _FOUND_ANYHOW,
}
"""What to say of each key that there is no more; `*` stands for any name."""


def take_out_retired(values: object) -> Iterator[tuple[Key, str]]:
    """Delete each key that there is no more from what a file says; gives the key and what to say of it."""
    for pattern, told in _RETIRED.items():
        *above, last = pattern
        for key, section in list(_sections(values, tuple(above))):
            if last in section:
                del section[last]
                yield (*key, last), told


def _sections(value: object, pattern: tuple[str, ...], key: Key = ()) -> Iterator[tuple[Key, dict[str, object]]]:
    if not isinstance(value, dict):
        return
    if not pattern:
        yield key, value
        return
    first, *rest = pattern
    for name in value if first == _EACH else [first]:
        yield from _sections(value.get(name), tuple(rest), (*key, name))
