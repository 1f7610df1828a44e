"""Systems around one of whose calls something happens once: somebody is quicker, or the run is broken off."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.core.errors import Unavailable


@dataclass
class Interrupted:
    """A real system; around the first call of one method something happens, before it or after it."""

    real: Any
    method: str
    what: Callable[[], object]
    is_after: bool = False
    has_happened: bool = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name != self.method or self.has_happened:
            return found
        return self._around

    def _around(self, *given: Any, **named: Any) -> Any:
        self.has_happened = True
        if not self.is_after:
            self.what()
            return getattr(self.real, self.method)(*given, **named)
        answer = getattr(self.real, self.method)(*given, **named)
        self.what()
        return answer


def break_off() -> None:
    """Stand for the death of the process, or for an answer that was lost."""
    raise Unavailable("broken off here")
