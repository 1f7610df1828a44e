"""The digest in a chart's lock file: Helm refuses to build a chart whose dependencies it does not agree with.

Source: Helm 3 and 4, `resolver.HashReq`: SHA-256 over Go's JSON of two lists, what is required and what is locked. For
`requirements.yaml` Helm also takes the digest of Helm 2, `HashV2Req`, which knows nothing of what is locked.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from app.core.errors import Invalid
from app.core.manifests.text.documents import NotText, Value

Json: TypeAlias = str | bool | list["Json"] | dict[str, "Json"] | None

# More than any entry that is written by hand: by aliases a short text can be endless.
_MOST_CHARACTERS = 20_000
_DEEPEST = 50
_REPOSITORY_ALIASES = ("@", "alias:")
# Go escapes these in JSON, Python does not.
_ESCAPED_BY_GO = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


class UnreadableDependency(Invalid):
    """An entry of a chart's dependencies is not what Helm expects there."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An entry of a chart's dependencies, or of its lock file, as Helm reads it; what is not there is empty."""

    name: str
    version: str
    repository: str
    condition: str = ""
    tags: tuple[str, ...] = ()
    is_enabled: bool = False
    import_values: tuple[Json, ...] = ()
    alias: str = ""

    @classmethod
    def read(cls, value: Value) -> Self:
        """Read an entry as it is written. Raises UnreadableDependency."""
        if not isinstance(value, dict):
            raise UnreadableDependency("it is no mapping")
        _refuse_endless(value)
        return cls(
            name=_text(value, "name"),
            version=_text(value, "version"),
            repository=_text(value, "repository"),
            condition=_text(value, "condition"),
            tags=tuple(_as_text(tag, "tags") for tag in _items(value, "tags")),
            is_enabled=_text(value, "enabled").lower() == "true",
            import_values=tuple(_as_json(one) for one in _items(value, "import-values")),
            alias=_text(value, "alias"),
        )

    def as_json(self) -> Json:
        """The entry with the keys and in the order in which Helm writes it."""
        written: dict[str, Json] = {
            "name": self.name,
            "version": self.version,
            "repository": self.repository,
            "condition": self.condition,
            "tags": list(self.tags),
            "enabled": self.is_enabled,
            "import-values": list(self.import_values),
            "alias": self.alias,
        }
        return {key: value for key, value in written.items() if value or key in ("name", "repository")}


def lock_digest(required: Sequence[Dependency], locked: Sequence[Dependency]) -> str:
    """The digest that Helm 3 and 4 write for dependencies and what they were resolved to, in the same order."""
    # Helm puts a repository's address in place of its alias before; the lock file has that address.
    resolved = [
        replace(one, repository=lock.repository) if one.repository.startswith(_REPOSITORY_ALIASES) else one
        for one, lock in zip(required, locked, strict=True)
    ]
    return _sha256([[one.as_json() for one in resolved], [one.as_json() for one in locked]])


def helm_2_digest(required: Sequence[Dependency]) -> str:
    """The digest that Helm 2 wrote into requirements.lock."""
    return _sha256({"dependencies": [one.as_json() for one in required]})


def _sha256(value: Json) -> str:
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED_BY_GO)
    return "sha256:" + hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_endless(value: Value) -> None:
    """Raises UnreadableDependency where aliases, all written out, would make an entry very long or deep."""
    waiting, size = [(value, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        match one:
            case str() | NotText():
                size += len(one if isinstance(one, str) else one.written)
            case dict():
                size += sum(len(key) + 1 for key in one)
                waiting += ((child, depth + 1) for child in one.values())
            case list():
                size += len(one)
                waiting += ((child, depth + 1) for child in one)
        if size > _MOST_CHARACTERS or depth > _DEEPEST:
            raise UnreadableDependency(
                f"it has more than {_MOST_CHARACTERS} characters or {_DEEPEST} levels: write no aliases there"
            )


def _text(entry: dict[str, Value], key: str) -> str:
    return _as_text(entry.get(key, ""), key)


def _as_text(value: Value, key: str) -> str:
    match value:
        case str():
            return value
        case NotText():
            return "" if value.is_null else value.written
        case _:
            raise UnreadableDependency(f"its {key} is no text")


def _items(entry: dict[str, Value], key: str) -> list[Value]:
    match entry.get(key, []):
        case list(items):
            return items
        case NotText(is_null=True):
            return []
        case _:
            raise UnreadableDependency(f"its {key} are no list")


def _as_json(value: Value) -> Json:
    match value:
        case str():
            return value
        case dict():
            return {key: _as_json(value[key]) for key in sorted(value)}
        case list():
            return [_as_json(one) for one in value]
        case NotText(is_null=True):
            return None
        case NotText("true" | "false" as written):
            return written == "true"
        case _:
            raise UnreadableDependency("its import-values have something else than texts")
