"""The SQL of statements, compiled once for all the databases of a test run."""

from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.util import LRUCache

_MOST = 5000


class _OfOneKind(LRUCache[Any, Any]):
    """SQLAlchemy's cache, under keys without the engine's own dialect, which leads them: of one kind all are alike."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(_without_dialect(key), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__(_without_dialect(key), value)


_COMPILED = {"sqlite": _OfOneKind(_MOST), "postgresql": _OfOneKind(_MOST)}


def compile_once() -> None:
    """Let each engine find what another of its kind has compiled: most tests open a database of their own."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED[connection.dialect.name])


def _without_dialect(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    assert isinstance(dialect, Dialect)
    return tuple(rest)
