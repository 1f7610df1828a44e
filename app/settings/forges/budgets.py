"""What a forge counts together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """Writes that all config repositories of one `name` share; `per_hour` None: as many as there are."""

    name: str
    per_hour: int | None = None
