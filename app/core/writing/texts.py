"""The words of a promotion: pull request title and body, commit message. Text from outside is quoted, never markup."""

import re
from collections.abc import Sequence

from semver import Version

from app.core.flux.resolved import Field, Report
from app.core.images import version_of_tag
from app.core.manifests.kinds.declared import DeclaredField
from app.core.manifests.places import Part
from app.core.ports import BuildCheck
from app.core.promotion.downward import Downward
from app.core.promotion.gates import BuildReport
from app.core.promotion.proposals import Change, Proposal
from app.core.promotion.rules import ONLY_STAGE
from app.core.unseen import UNSEEN

# What forges make links and notices of, also in commit messages and between backticks that end up in one.
# Their words end where ASCII's do.
_LINKED = re.compile(
    r"(?<![a-z0-9_])@(?=\w)|(?<=[a-z0-9_.-])@(?=[0-9a-f]{7,40}(?![0-9a-z]))|[#!](?=\d)|(?<![a-z0-9_])GH-(?=\d)"
    r"|(?:https?|ftp):(?=//)|mailto:(?=\S)|(?<![a-z0-9_])www\.(?=\w)",
    re.IGNORECASE,
)
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%\[\]-]+")
_MOST_LINES = 50
_LONGEST_TEXT = 500
_LONGEST_BODY = 60_000  # GitHub takes 65,536 characters


def title(proposal: Proposal) -> str:
    """The title of the pull request and the subject of its commit."""
    move = proposal.move
    app = move.image.rsplit("/", 1)[-1]
    where = "" if proposal.stage == ONLY_STAGE else f" in {proposal.stage}"
    if move.from_image is not None:
        return unlinked(f"Promote {app}: {move.was} to {move.image}:{move.tag}{where}")[:250]
    if move.downward is not None:
        moved = f"{move.downward.from_tag} to {move.tag}"
        return unlinked(f"Move {app} down, {moved}{where}: {move.downward.cause}")[:250]
    came = f"{move.from_tag} to " if move.from_tag and move.from_tag != move.tag else "to "
    return unlinked(f"Promote {app} {came}{move.tag}{where}")[:250]


def commit_message(proposal: Proposal, *, promotion_id: str) -> str:
    """The message of the commit: the title and the trail back to here, from stored values only."""
    move = proposal.move
    trailers = [
        f"Fluxbridge-Promotion: {promotion_id}",
        f"Image: {move.image}:{move.tag}" + (f"@{move.digest}" if move.digest else ""),
        f"Policy: {move.policy}",
    ]
    if move.is_gated_on_build and move.build is not None:
        trailers.insert(2, f"Build: {_build_line(move.build)}")
    return "\n".join([title(proposal), "", *(unlinked(trailer) for trailer in trailers)]) + "\n"


def body(
    proposal: Proposal,
    *,
    build_url: str | None,
    builds: Sequence[BuildCheck] | None = None,
    noticed: Sequence[Report] = (),
) -> str:
    """The body of the pull request: what moves, why, by which build, and which bytes change.

    `builds` is how the folders that hold the changes build, None where that was not asked for; `noticed` is what a
    person should look at beside the edited files.
    """
    move = proposal.move
    rows = [
        ("Image", code(f"{move.image}:{move.tag}")),
        ("Digest", code(move.digest) if move.digest else "not known"),
        ("Now", code(move.was) if move.was else "nothing"),
        ("Stage", code(proposal.stage)),
        ("Policy", code(str(move.policy))),
        ("Build", _build_words(move.build, build_url)),
    ]
    old, new = (_written(tag, proposal.changes) for tag in (move.from_tag, move.tag))
    jump = version_jump(old, new) if move.from_image is None else None
    if jump:
        rows.insert(3, ("Version", jump if move.downward is None else f"{jump}, down"))
    lines = [] if move.downward is None else [f"**This goes down**, {_down_words(move.downward)}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), "", "Why:", ""]
    lines += [f"- {code(reason)}" for reason in move.reasons]
    lines += ["", "Fields:", "", *_field_lines(proposal.changes)]
    if builds is not None:
        lines += ["", "Builds (`kubectl kustomize`):", "", *_build_lines(builds)]
    if noticed:
        lines += ["", "Not edited, beside these files, and worth a look:", "", *_report_lines(noticed)]
    lines += ["", "Merging lets this tag in. Closing holds it: it is not proposed again until a higher tag passes."]
    return _fit(lines)


def _down_words(downward: Downward) -> str:
    return f"from {code(downward.from_tag)}: {code(downward.cause)}"


def _written(tag: str | None, changes: Sequence[Change]) -> str | None:
    """A tag as these fields write it: those of charts write its version."""
    is_of_charts = any(change.field.marked.part is Part.VERSION for change in changes)
    return version_of_tag(tag) if tag is not None and is_of_charts else tag


def version_jump(old: str | None, new: str | None) -> str | None:
    """Name the highest part in which two semantic versions differ; None where either is none.

    >>> version_jump("1.4.1", "v1.5.0"), version_jump("latest", "1.0.0")
    ('minor', None)
    """
    if old is None or new is None:
        return None
    try:
        before, after = Version.parse(old.removeprefix("v")), Version.parse(new.removeprefix("v"))
    except ValueError:
        return None
    for part in ("major", "minor", "patch", "prerelease"):
        if before.to_dict()[part] != after.to_dict()[part]:
            return part
    return None


def one_line(text: str) -> str:
    """Take control characters, line ends, lone surrogates and what turns a text's direction out of it."""
    return UNSEEN.sub(" ", text)


def unlinked(text: str) -> str:
    """One line in which no forge finds a person, an issue or an address to link to, to notify or to close.

    >>> unlinked("closes acme/infra#7, @octo/admins")
    'closes acme/infra# 7, @ octo/admins'
    """
    return _LINKED.sub(lambda found: f"{found[0]} ", one_line(text))


def code(text: str) -> str:
    """Quote a text as Markdown code, so that nothing in it is markup; a very long one is cut.

    >>> code("a`b|c")
    "`a'b¦c`"
    """
    plain = unlinked(text[: 2 * _LONGEST_TEXT]).replace("`", "'").replace("|", "¦").strip()
    if len(plain) > _LONGEST_TEXT:
        plain = f"{plain[:_LONGEST_TEXT]}…"
    return f"`{plain}`" if plain else "` `"


def _build_line(build: BuildReport) -> str:
    run = f" (run {build.run})" if build.has_twins else ""
    return f"build {build.number}{run} of {build.job}"


def _build_words(build: BuildReport | None, url: str | None) -> str:
    if build is None:
        return "none has reported this digest"
    name = code(f"{_build_line(build)}: {build.result}")
    return f"[{name}]({url})" if url and _PLAIN_URL.fullmatch(url) else name


def folder(path: str) -> str:
    """A folder of the repository in words."""
    return path or "the repository"


def _field_lines(changes: Sequence[Change]) -> list[str]:
    return _cut([f"- {_place(change.field)} {_old(change)} → {code(change.new_text)}" for change in changes])


def _place(field: Field) -> str:
    place = code(f"{field.file}:{field.marked.line}")
    return f"{place} {code(field.marked.where)}" if isinstance(field.marked, DeclaredField) else place


def _old(change: Change) -> str:
    return code(change.field.marked.text) if change.field.marked.text else "nothing"


def _build_lines(builds: Sequence[BuildCheck]) -> list[str]:
    if not builds:
        return ["- no Kustomization of Flux applies these files"]
    return _cut([f"- {code(folder(one.path))} {_build_outcome(one)}" for one in builds])


def _build_outcome(one: BuildCheck) -> str:
    if one.problem_after is None:
        return "builds"
    return f"does not build, with these changes or without: {code(one.problem_after[:500])}"


def _report_lines(noticed: Sequence[Report]) -> list[str]:
    places = (one.file if one.line is None else f"{one.file}:{one.line}" for one in noticed)
    return _cut([f"- {code(place)} {code(one.what)}" for place, one in zip(places, noticed, strict=True)])


def _fit(lines: Sequence[str]) -> str:
    """Lines as one text, those before the last left out where there is no room for them."""
    room = _LONGEST_BODY - len(lines[-1])
    kept: list[str] = []
    for line in lines[:-1]:
        room -= len(line) + 1
        if room < 0:
            kept += ["", "There is more than fits here.", ""]
            break
        kept.append(line)
    return "\n".join([*kept, lines[-1]]) + "\n"


def _cut(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"- and {more} more"] if more > 0 else list(lines)
