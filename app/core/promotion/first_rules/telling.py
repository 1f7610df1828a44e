"""What first rules were made of, and what they leave to people, in plain words."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from app.core.promotion.first_rules.proposal import FirstRules
from app.core.promotion.first_rules.stages import InNoStage

_MOST_NAMED = 3
_MOST_REASONS = 10
_LONGEST = 300


def found_in(first: FirstRules) -> str:
    """What the repository has."""
    names = [stage.name for stage in first.stages.stages]
    stages = f"{counted(len(names), 'stage')} ({', '.join(names)})" if names else "no stages"
    fields = f"{counted(sum(first.fields.values()), 'field')} in {counted(len(first.fields), 'file')}"
    roots = counted(len(first.roots), "root") if first.roots else "no roots"
    return f"{roots}, {stages}, {counted(first.policies, 'policy', 'policies')}, {fields}"


def left_to_people(first: FirstRules) -> Iterator[str]:
    """What could not be decided."""
    yield from _missing(first)
    yield from _stages(first)
    for one in first.unusable[:_MOST_REASONS]:
        where = " that no cluster is known to bring in" if one.is_nowhere else ""
        which = f"{counted(len(one.policies), 'policy', 'policies')}{where}"
        yield f"{which} cannot be used: {one.why[:_LONGEST]} ({some(one.policies)})"
    if len(first.unusable) > _MOST_REASONS:
        policies = sum(len(one.policies) for one in first.unusable[_MOST_REASONS:])
        yield f"{counted(policies, 'more policy', 'more policies')} cannot be used, for other reasons"
    if elsewhere := first.stages.elsewhere:
        files = some([f"{one.file}: {one.stage}, also {', '.join(one.others)}" for one in elsewhere], mark="; ")
        are = "1 file is" if len(elsewhere) == 1 else f"{len(elsewhere)} files are"
        yield f"{are} in the stage of the path, and in clusters of other environments too: {files}"


def _missing(first: FirstRules) -> Iterator[str]:
    roots: dict[str, list[str]] = defaultdict(list)
    for root in first.roots:
        for variable in root.missing:
            roots[variable].append(root.path or "the repository")
    for variable, its in sorted(roots.items()):
        yield f"the variable {variable} of {counted(len(its), 'root')} ({some(its)}), which only the clusters know"


def _stages(first: FirstRules) -> Iterator[str]:
    if not first.fields:
        yield "fields: no $imagepolicy marker names a policy; what has none can be declared under `fields`"
    elif not first.stages.stages:
        yield "stages: neither folders nor file names tell environments apart; until then all fields are in one, `all`"
    shared = [one for one in first.stages.left if one.applied_in]
    nowhere = [one for one in first.stages.left if not one.applied_in]
    if shared:
        why = "several environments share their files: one tag comes into all of them at once"
        yield f"{_in_no_stage(first, shared)}, for {why}"
    if nowhere:
        yield f"{_in_no_stage(first, nowhere)}, for no cluster is known to apply their files, and the names do not tell"


def _in_no_stage(first: FirstRules, left: Sequence[InNoStage]) -> str:
    files = [one.file for one in left]
    fields = first.count(files)
    are = "is" if fields == 1 else "are"
    return f"{counted(fields, 'field')} in {counted(len(files), 'file')} ({some(files)}) {are} in no stage"


def some(texts: Iterable[str], *, mark: str = ", ") -> str:
    """The first of some texts, and how many more there are."""
    every = list(texts)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return f"{mark.join(one[:_LONGEST] for one in every[:_MOST_NAMED])}{more}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and what it counts."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
