"""First rules as the text of `.fluxbridge.yaml`, with what they leave open as comments."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby, islice

from app.core.flux.paths import folder_of
from app.core.promotion.first_rules.proposal import FirstGroup, FirstRoot, FirstRules, FoundAutomation
from app.core.promotion.first_rules.stages import FirstStage, FirstStages, InNoStage
from app.core.promotion.first_rules.texts import LONGEST_PATH, can_be_written, quoted, told

_MOST_ROOTS = 1000
_MOST_BYTES_OF_ROOTS = 110_000
_MOST_TOLD = 100
_MOST_MEMBERS = 900
_MOST_BYTES_TOLD = 12_000
_HEAD = """\
# Rules of this config repository for Fluxbridge, proposed by `fluxbridge init rules`. Correct them, and commit them to
# the base branch: only what stands there counts. Fluxbridge opens pull requests; people merge them.
"""
_ROOTS = """\
# Where each cluster enters the repository. A new cluster is to be added here.
"""
_NO_ROOTS = """\
# roots: no Kustomization of Flux tells where clusters enter the repository, so all of it counts as one. Where you know
# better, name the folders:
# roots: [clusters/production]
"""
_TOO_MANY_ROOTS = """\
# roots: they are found by Flux's Kustomizations; there are too many, or too long ones, to be written here.
"""
_STAGES = """\
# A file is in the stage with the path that is longest before its first *. What a tag needs to enter a stage is said so:
# requires: {build: success}
"""
_NO_STAGES = """\
# stages: neither folders nor file names tell environments apart, so every field is in one stage, `all`, which asks for
# nothing. Where there are several, name their folders:
# stages:
#   production: {paths: [apps/production]}
"""
_BY_CLUSTERS = "      # The names of these do not tell; all clusters that apply them are of this environment:\n"
_SHARED = """\
  # In no stage, so not edited: one tag comes into all of the environments behind # at once. To have these files edited,
  # take the # away in front of a stage of their own, or move them to a stage above.
  # shared:
  #   paths:
"""
_NOWHERE = """\
  # In no stage either: no cluster is known to apply these, and their names do not tell.
"""
_GROUPS = """\
# What Flux brings together so far is one pull request in each stage; without its group each policy has its own.
"""
_AUTOMATIONS = """\
# What Flux writes itself so far. Set spec.suspend to true in each when Fluxbridge takes over.
"""


def write_rules(first: FirstRules) -> str:
    """The file; every text of the repository in it is quoted, or in a comment that it cannot end."""
    parts = [_HEAD, "".join(_roots(first.roots)), "".join(_stages(first.stages))]
    if first.groups:
        parts.append("".join(_groups(first.groups)))
    if first.automations:
        parts.append("".join(_automations(first.automations)))
    return "\n".join(parts)


def _roots(roots: Sequence[FirstRoot]) -> Iterator[str]:
    if not roots:
        yield _NO_ROOTS
        return
    written = ["".join(_root(root)) for root in roots]
    is_taken = all(can_be_written(root.path) and len(root.path) <= LONGEST_PATH for root in roots)
    if not is_taken or len(roots) > _MOST_ROOTS or len("".join(written).encode()) > _MOST_BYTES_OF_ROOTS:
        yield _TOO_MANY_ROOTS
        return
    yield _ROOTS
    yield "roots:\n"
    yield from written


def _root(root: FirstRoot) -> Iterator[str]:
    path = quoted(root.path or ".")
    if not root.variables and not root.missing:
        yield f"  - {path}\n"
        return
    yield f"  - path: {path}\n"
    mark = "" if root.variables else "# "
    if root.missing and not root.variables:
        yield "    # Only the cluster knows these variables: fill them in and take the # away.\n"
    yield f"    {mark}variables:\n"
    yield from (f"      {quoted(name)}: {quoted(value)}\n" for name, value in root.variables)
    if root.missing and root.variables:
        yield "      # Only the cluster knows these: fill them in and take the # away.\n"
    yield from (f'    {"  # " if root.variables else "#   "}{told(name)}: ""\n' for name in root.missing)


def _stages(found: FirstStages) -> Iterator[str]:
    if not found.stages:
        yield _NO_STAGES
        return
    yield _STAGES
    yield "stages:\n"
    for stage in found.stages:
        yield from _stage(stage)
    shared = [one for one in found.left if one.applied_in]
    nowhere = [one for one in found.left if not one.applied_in]
    if shared:
        yield _SHARED
        yield from _at_most(map(_left, shared), "  #     # ")
    if nowhere:
        yield _NOWHERE
        yield from _at_most((f"  # - {told(one.file)}\n" for one in nowhere), "  # ")


def _stage(stage: FirstStage) -> Iterator[str]:
    yield f"  {quoted(stage.name)}:\n    merge: people\n    paths:\n"
    yield from (f"      - {quoted(path)}\n" for path in stage.paths)
    if stage.single_files:
        yield _BY_CLUSTERS
        yield from (f"      - {quoted(path)}\n" for path in stage.single_files)


def _groups(found: Sequence[FirstGroup]) -> Iterator[str]:
    yield _GROUPS
    yield "groups:\n"
    sizes = accumulate(len(one.policies) for one in found)
    for one in (each for each, size in zip(found, sizes, strict=True) if size <= _MOST_MEMBERS):
        yield f"  {quoted(one.name)}:\n    policies:\n"
        yield from (f"      - {quoted(policy)}\n" for policy in one.policies)


def _left(one: InNoStage) -> str:
    return f"  #     - {quoted(one.file)} # {', '.join(one.applied_in)}\n"


def _automations(found: Sequence[FoundAutomation]) -> Iterator[str]:
    yield _AUTOMATIONS
    yield from _at_most(
        (
            text
            for (file, name), same in groupby(found, lambda one: (one.file, _name(one)))
            for text in (f"# - {told(name)} in {told(file)}\n", *map(_automation, same))
        ),
        "# ",
    )


def _name(one: FoundAutomation) -> str:
    return f"{one.written.namespace}/{one.written.name}" if one.written.namespace else one.written.name


def _automation(one: FoundAutomation) -> str:
    written = one.written
    roots = ", ".join(told(root or ".") for root in one.roots[:3]) + (" …" if len(one.roots) > 3 else "")
    where = f"in {roots}: " if roots else "in no cluster: "
    selected = (
        f"policies with {told(','.join(map(str, written.selector)))}"
        if written.selector
        else "all policies of its namespace"
    )
    read = told(written.branch) if written.branch else "its source's branch"
    pushed = f"from {read} to branch {told(written.push_branch)}" if written.push_branch else f"to {read}"
    below = f"below {told(folder)}" if (folder := folder_of(written.path)) else "in all files"
    return f"#   {where}{selected}, {below}, {pushed}{', suspended already' if written.is_suspended else ''}\n"


def _at_most(lines: Iterable[str], indent: str) -> Iterator[str]:
    """So many lines as a person reads and the rules hold, and how many more there are."""
    every = list(lines)
    sizes = accumulate(len(line.encode()) for line in every)
    shown = sum(size <= _MOST_BYTES_TOLD for size in islice(sizes, _MOST_TOLD))
    yield from every[:shown]
    if len(every) > shown:
        yield f"{indent}… and {len(every) - shown} more\n"
