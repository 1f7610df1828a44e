"""What `fluxbridge check --repo-only` tells people: one page, whatever the size of the repository."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.cli.noticing import hints, lines_of
from app.core.flux.tree import Report
from app.core.promotion.proposed_stages import ProposedStages, propose_stages
from app.core.promotion.rules import RULES_FILE, Stage
from app.services.read_lane import LaneView

_MOST_ROOTS = 20
_MOST_PATHS = 6
_MOST_OUTSIDE = 3


def page_of(
    folder: Path, view: LaneView, found: Sequence[Report], *, against: str | None, is_all: bool
) -> Iterator[str]:
    """The page: what is there, what of it is left out, and what to do next."""
    if against is not None:
        yield from _page_against(found, against, is_all=is_all)
        return
    yield f"{folder}, read as it is: nothing was written, no server or setting is needed."
    yield ""
    yield from _clusters(view, is_all=is_all)
    yield from _policies(view)
    yield from _stages(view, is_all=is_all)
    yield ""
    if found:
        yield f"Left out ({len(found)}), what holds back most first:"
        yield from _indented(lines_of(found, is_all=is_all))
    else:
        yield "Left out: nothing."
    hinted = hints(view.tree)
    if hinted:
        yield ""
        yield f"Worth a look ({len(hinted)}); none of it keeps a field from being set:"
        yield from _indented(lines_of(hinted, is_all=is_all))
    yield ""
    yield _next_step(view, found)


def _page_against(found: Sequence[Report], against: str, *, is_all: bool) -> Iterator[str]:
    if not found:
        yield f"Nothing is left out that was not at {against} already."
        return
    yield f"Left out, and not yet at {against} ({len(found)}):"
    yield from _indented(lines_of(found, is_all=is_all))


def _clusters(view: LaneView, *, is_all: bool) -> Iterator[str]:
    tree = view.tree
    if tree.roots == ("",):
        yield "Clusters: no folder is told as one; the whole repository is taken for one cluster."
        yield f"  If that is wrong, name their folders in {RULES_FILE}: roots: [clusters/staging, clusters/prod]"
        return
    yield f"Clusters: {len(tree.roots)}"
    shown = tree.roots if is_all else tree.roots[:_MOST_ROOTS]
    width = max(map(len, shown))
    for root in shown:
        yield f"  {root:{width}}  {_count(len(tree.brought_in(root)), 'Kustomization')}"
    if len(shown) < len(tree.roots):
        yield f"  and {len(tree.roots) - len(shown)} more: --all shows them"


def _policies(view: LaneView) -> Iterator[str]:
    tree = view.tree
    usable = {one.name for one in tree.policies if one.problem is None}
    yield f"Policies: {len(tree.policies)}; {_share(len(usable), len(tree.policies))} can be used"
    files = len({one.file for one in tree.fields})
    share = _share(sum(one.policy in usable for one in tree.fields), len(tree.fields))
    yield f"Fields: {len(tree.fields)} in {_count(files, 'file')}; {share} can be set by these policies"


def _stages(view: LaneView, *, is_all: bool) -> Iterator[str]:
    if view.rules.has_declared_stages:
        yield f"Stages, as {RULES_FILE} declares them:"
        held = [stage for _, stage in view.staged]
        for one in view.rules.stages:
            yield f"  {one.name}: {_count(held.count(one.name), 'field')} in {', '.join(one.paths)}"
        return
    proposed = propose_stages(one.file for one in view.tree.fields)
    if proposed is None:
        yield f"Stages: {RULES_FILE} declares none, and no folders are named like environments; all is one stage."
        return
    yield f"Stages: {RULES_FILE} declares none. By the folders they could be:"
    yield from _indented(_as_rules(proposed.stages, is_all=is_all))
    yield from _outside(proposed)


def _as_rules(stages: Sequence[Stage], *, is_all: bool) -> Iterator[str]:
    yield "stages:"
    for one in stages:
        shown = one.paths if is_all else one.paths[:_MOST_PATHS]
        more = "" if len(shown) == len(one.paths) else f" # and {len(one.paths) - len(shown)} more: --all shows them"
        yield f"  {one.name}: {{paths: [{', '.join(map(_quoted, shown))}]}}{more}"


def _outside(proposed: ProposedStages) -> Iterator[str]:
    files = proposed.outside
    if files:
        more = f" and {len(files) - _MOST_OUTSIDE} more" if len(files) > _MOST_OUTSIDE else ""
        named = f"{', '.join(files[:_MOST_OUTSIDE])}{more}"
        yield f"  In none of them, so not edited until a stage has their paths too: {named}"


def _next_step(view: LaneView, found: Sequence[Report]) -> str:
    if not view.tree.policies:
        return (
            "No ImagePolicy is here: docs/policies.md has one to begin with, or declare policies in .fluxbridge.yaml."
        )
    if not view.tree.fields:
        return "No field is set by a policy: docs/fields.md says how a marker or a declaration makes one."
    if all(one.problem is not None for one in view.tree.policies):
        return "No policy can be used yet: mend what is left out from the first on, and run this again."
    if found:
        return "Next: mend what is left out where you want it edited, and run this again; the rest works without it."
    return "Next: docs/get-started.md, which pushes nothing until you say so."


def _quoted(path: str) -> str:
    is_plain = all(one.isalnum() or one in "/._-" for one in path) and path[:1].isalnum() and not path.isdigit()
    return path if is_plain else json.dumps(path)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _share(number: int, whole: int) -> str:
    if number == whole:
        return "all" if whole != 1 else "it"
    return f"{number} of them" if number else "none"


def _count(number: int, one: str) -> str:
    return f"{number} {one if number == 1 else f'{one}s'}"
