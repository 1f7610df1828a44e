"""Fields that something else in Git decides in place of: what is rendered is not their text."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from app.core.flux.objects import PolicyName
from app.core.flux.resolved import About, Field, Report
from app.core.manifests.kinds.declared import DeclaredField
from app.core.manifests.places import Neighbour


def overridden_beside(fields: Sequence[Field]) -> Iterator[tuple[Field, Neighbour]]:
    """The fields with a neighbour that decides in their place and that their policy does not set in the same edit."""
    is_set: dict[tuple[PolicyName, str], set[int]] = defaultdict(set)
    for one in fields:
        is_set[one.policy, one.file].add(one.marked.start)
    for one in fields:
        for neighbour in one.marked.neighbours:
            if neighbour.start not in is_set[one.policy, one.file]:
                yield one, neighbour


def report_overridden(fields: Sequence[Field]) -> Iterator[Report]:
    """Tell of each of them what overrides it, and what to do."""
    for one, neighbour in overridden_beside(fields):
        what = (
            f"{_name(one)} is overridden by {told(neighbour)}, which {one.policy} does not set: "
            "let the policy set it too, or remove it"
        )
        yield Report(one.file, one.marked.line, what, About.OVERRIDDEN)


def told(neighbour: Neighbour) -> str:
    """What overrides a field, and where.

    >>> told(Neighbour("digest", 4, 60, "sha256:1b4f"))
    "digest 'sha256:1b4f' (line 4)"
    """
    value = f" {neighbour.text!r}" if neighbour.text else ""
    return f"{neighbour.where}{value} (line {neighbour.line})"


def _name(field: Field) -> str:
    return field.marked.where if isinstance(field.marked, DeclaredField) else f"the {field.marked.part} with its marker"
