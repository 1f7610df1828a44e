"""What the benchmarks of webhooks share: databases of both kinds, and telling whether each bar holds."""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.benchmarks.site import durable_postgres, pooled_postgres

KINDS = ("SQLite", "PostgreSQL", "PgBouncer")
Figures = dict[str, dict[str, Any]]
Bar = tuple[str, bool]


@contextmanager
def database_of(kind: str) -> Iterator[str]:
    """The URL of an empty database."""
    opened = {"PostgreSQL": durable_postgres, "PgBouncer": pooled_postgres}.get(kind)
    with opened() if opened is not None else nullcontext("sqlite") as url:
        yield url


def run(
    told: str | None, measure: Callable[[str, Path], Figures], bars_of: Callable[[str, Figures], Sequence[Bar]]
) -> int:
    """Measure each kind of database in a folder of its own, print figures and bars; 1 where a bar does not hold."""
    options = argparse.ArgumentParser(description=told)
    options.add_argument("--json", type=Path, help="write the figures to this file as well")
    options.add_argument("--only", choices=KINDS, help="one kind of database")
    chosen = options.parse_args()
    figures: dict[str, Figures] = {}
    are_held: list[bool] = []
    for kind in KINDS if chosen.only is None else [chosen.only]:
        with tempfile.TemporaryDirectory() as folder:
            figures[kind] = found = measure(kind, Path(folder))
        print(f"\n{kind}")
        for when, values in found.items():
            print(f"  {when}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
        for text, holds in bars_of(kind, found):
            print(f"  {'holds ' if holds else 'BROKEN'}  {text}")
            are_held.append(holds)
    print(json.dumps(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2))
    return 0 if all(are_held) else 1
