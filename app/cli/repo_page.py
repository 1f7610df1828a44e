"""What `fluxbridge check --repo-only` tells people: one page, whatever the size of the repository."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from app.cli.noticing import hints, lines_of
from app.core.flux.tree import Report
from app.core.promotion.first_rules.stages import FirstStages, propose_stages
from app.core.promotion.first_rules.telling import counted
from app.core.promotion.first_rules.texts import quoted
from app.core.promotion.rules import RULES_FILE
from app.services.heads.view import HeadView

_MOST_ROOTS = 20
_MOST_PATHS = 6
_MOST_LEFT = 3


def page_of(
    folder: Path, view: HeadView, found: Sequence[Report], *, against: str | None, is_all: bool
) -> Iterator[str]:
    """The page: what is there, what of it is left out, and what to do next."""
    if against is not None:
        yield from _page_against(found, against, is_all=is_all)
        return
    yield f"Read {folder.resolve()} as it lies there; nothing was written."
    yield ""
    yield from _clusters(view, is_all=is_all)
    yield from _policies(view)
    yield from _stages(folder, view, is_all=is_all)
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


def _clusters(view: HeadView, *, is_all: bool) -> Iterator[str]:
    tree = view.tree
    if tree.roots == ("",):
        yield "Clusters: no Kustomization tells where one begins; the whole repository counts as one."
        yield f"  If that is wrong, name their folders in {RULES_FILE}: roots: [clusters/staging, clusters/prod]"
        return
    yield f"Clusters: {len(tree.roots)}"
    shown = tree.roots if is_all else tree.roots[:_MOST_ROOTS]
    width = max(map(len, shown))
    for root in shown:
        yield f"  {root:{width}}  {counted(len(tree.brought_in(root)), 'Kustomization')}"
    if len(shown) < len(tree.roots):
        yield f"  and {len(tree.roots) - len(shown)} more: --all shows them"


def _policies(view: HeadView) -> Iterator[str]:
    tree = view.tree
    usable = {one.name for one in tree.policies if one.problem is None}
    share = f"; can be used: {_share(len(usable), len(tree.policies))}" if tree.policies else ""
    yield f"Policies: {len(tree.policies)}{share}"
    files = counted(len({one.file for one in tree.fields}), "file")
    share = _share(sum(one.policy in usable for one in tree.fields), len(tree.fields))
    told = f" in {files}; of policies that can be used: {share}" if tree.fields else ""
    yield f"Fields: {len(tree.fields)}{told}"


def _stages(folder: Path, view: HeadView, *, is_all: bool) -> Iterator[str]:
    if view.rules.has_declared_stages:
        yield f"Stages, as {RULES_FILE} declares them:"
        held = [stage for _, stage in view.staged]
        for stage in view.rules.stages:
            yield f"  {stage.name}: {counted(held.count(stage.name), 'field')} in {', '.join(stage.paths)}"
        return
    files = Counter([*(one.file for one in view.tree.fields), *(one.file for one in view.tree.refused)])
    proposed = propose_stages(files, {file: view.tree.roots_of(file) for file in files}, view.tree.roots)
    if not proposed.stages:
        yield f"Stages: {RULES_FILE} declares none, and no folders are named like environments; all is one stage."
        return
    yield f"Stages: {RULES_FILE} declares none. By folders and clusters they could be:"
    yield "  stages:"
    for one in proposed.stages:
        yield f"    {quoted(one.name)}: {{paths: [{_paths((*one.paths, *one.single_files), is_all=is_all)}"
    yield from _left(proposed, files, is_all=is_all)
    yield f"  `fluxbridge init rules {quote(str(folder))}` writes a first {RULES_FILE} with these."


def _paths(paths: Sequence[str], *, is_all: bool) -> str:
    """Paths as the rules have them, to the end of the line."""
    shown = paths if is_all else paths[:_MOST_PATHS]
    more = "" if len(shown) == len(paths) else f" # and {len(paths) - len(shown)} more: --all shows them"
    return f"{', '.join(map(quoted, shown))}]}}{more}"


def _left(proposed: FirstStages, fields: Mapping[str, int], *, is_all: bool) -> Iterator[str]:
    left = proposed.left
    if not left:
        return
    number = counted(sum(fields[one.file] for one in left), "field")
    yield f"  {number} in {counted(len(left), 'file')} are in none of these, and so not edited until a stage has them:"
    for one in left if is_all else left[:_MOST_LEFT]:
        yield f"    {one.file}, applied in {', '.join(one.applied_in) or 'no cluster'}"
    if len(left) > _MOST_LEFT and not is_all:
        yield f"    and {len(left) - _MOST_LEFT} more: --all shows them"


def _next_step(view: HeadView, found: Sequence[Report]) -> str:
    if not view.tree.policies:
        return "No ImagePolicy is here: name the folder of a config repository with some, or begin by docs/policies.md."
    if not view.tree.fields:
        return "No field is set by a policy: docs/fields.md says how a marker or a declaration makes one."
    if all(one.problem is not None for one in view.tree.policies):
        return "No policy can be used yet: mend what is left out from the first on, and run this again."
    if found:
        return "Next: mend what is left out where you want it edited, and run this again; the rest works without it."
    return "Next: docs/get-started.md, which pushes nothing until you say so."


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _share(number: int, whole: int) -> str:
    return "all" if number == whole else str(number or "none")
