"""The words of a promotion: pull request title and body, commit message. Text from outside is quoted, never markup."""

import re
from collections.abc import Iterator, Mapping, Sequence

from semver import Version

from app.core.flux.resolved import Field, Report
from app.core.images import version_of_tag
from app.core.manifests.kinds.declared import DeclaredField
from app.core.manifests.places import Part
from app.core.ports import BuildCheck, Capabilities
from app.core.promotion.downward import Downward
from app.core.promotion.proposals import Change, Move, Proposal
from app.core.promotion.rules import ONLY_STAGE
from app.core.promotion.tags import BuildReport
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
_LONGEST_TITLE = 250
_LONGEST_NAME = 200
_LONGEST_BODY = Capabilities().longest_body
_MORE = "\nThere is more than fits here.\n\n"


def title(proposal: Proposal) -> str:
    """The title of the pull request and the subject of its commit; that it was forced is not cut off."""
    mark = " (forced)" if proposal.request is not None and proposal.request.is_forced else ""
    told, room = unlinked(_title(proposal)), _LONGEST_TITLE - len(mark)
    return f"{told if len(told) <= room else f'{told[: room - 1]}…'}{mark}"


def _title(proposal: Proposal) -> str:
    where = "" if proposal.stage == ONLY_STAGE else f" in {proposal.stage}"
    is_rollback = proposal.request is not None and proposal.request.is_rollback
    if len(proposal.moves) == 1:
        [move] = proposal.moves
        return _title_of_rollback(move, where) if is_rollback else _title_of_one(move, where)
    verb = "Move" if any(move.downward is not None for move in proposal.moves) else "Promote"
    each = ", ".join(f"{_app(move)} {move.tag}" if is_rollback else _short(move) for move in proposal.moves)
    return f"{'Roll back' if is_rollback else verb} {_what_moves(proposal)}{where}: {each}"


def _what_moves(proposal: Proposal) -> str:
    """The group, or of a request that is of several what it takes back, or how many they are."""
    request = proposal.request
    if request is None or proposal.group != request.own_place:
        return proposal.group
    return f"{len(proposal.moves)} apps" if request.undoes is None else f"pull request {request.undoes}"


def _title_of_rollback(move: Move, where: str) -> str:
    if move.tag == move.from_tag:
        return f"Roll back {_app(move)} to an earlier digest of {move.tag}{where}"
    return f"Roll back {_app(move)}{f' {move.was}' if move.was else ''} to {move.tag}{where}"


def _title_of_one(move: Move, where: str) -> str:
    app = _app(move)
    if move.from_image is not None:
        return f"Promote {app}: {move.was} to {move.image}:{move.tag}{where}"
    if move.downward is not None:
        return f"Move {app} down, {move.downward.from_tag} to {move.tag}{where}: {move.downward.cause}"
    came = f"{move.from_tag} to " if move.from_tag and move.from_tag != move.tag else "to "
    return f"Promote {app} {came}{move.tag}{where}"


def _short(move: Move) -> str:
    return f"{_app(move)} down to {move.tag}" if move.downward is not None else f"{_app(move)} {move.tag}"


def _app(move: Move) -> str:
    return move.image.rsplit("/", 1)[-1]


def commit_message(proposal: Proposal, *, promotion_ids: Mapping[tuple[str, str], str]) -> str:
    """The message of the commit: the title and each move's trail back to here, from stored values only.

    `promotion_ids` are by stage and policy.
    """
    trailers = list(_request_trailers(proposal))
    for move in proposal.moves:
        trailers += [
            f"Fluxbridge-Promotion: {promotion_ids[proposal.stage, str(move.policy)]}",
            f"Image: {move.image}:{move.tag}" + (f"@{move.digest}" if move.digest else ""),
            *(f"{key}: {text}" for key, text in _trailers(move)),
            f"Policy: {move.policy}",
        ]
    return "\n".join([title(proposal), "", *(unlinked(trailer) for trailer in trailers)]) + "\n"


def _request_trailers(proposal: Proposal) -> Iterator[str]:
    request = proposal.request
    if request is not None:
        who = unlinked(request.who)[:_LONGEST_NAME]
        yield f"Fluxbridge-Request: {request.id}"
        yield f"{'Rolled-Back-For' if request.is_rollback else 'Promoted-For'}: {who}"
        if request.is_forced:
            yield f"Forced-By: {who}"


def _trailers(move: Move) -> Sequence[tuple[str, str]]:
    return [one.answer.trailer for one in move.answers.every if one.answer.trailer is not None]


def body(
    proposal: Proposal,
    *,
    build_urls: Mapping[str, str],
    builds: Sequence[BuildCheck] | None = None,
    noticed: Sequence[Report] = (),
    longest: int = _LONGEST_BODY,
) -> str:
    """The body of the pull request: what moves, why, by which build, and which bytes change, in `longest` characters.

    `build_urls` say by the build's id where it is seen. `builds` is how the folders that hold the changes build, None
    where that was not asked for; `noticed` is what a person should look at beside the edited files.
    """
    lines = list(_request_lines(proposal))
    for move in proposal.moves:
        lines += [f"## {code(_app(move))}", ""] if len(proposal.moves) > 1 else []
        lines += _move_lines(proposal.stage, move, build_urls)
    if builds is not None:
        lines += ["Builds (`kubectl kustomize`):", "", *_build_lines(builds), ""]
    if noticed:
        lines += ["Not edited, beside these files, and worth a look:", "", *_report_lines(noticed), ""]
    return _fit([*lines, _last_words(proposal)], longest)


def _request_lines(proposal: Proposal) -> Iterator[str]:
    """Who asked for it, and what that leaves out."""
    request = proposal.request
    if request is None:
        return
    what = "**Rollback**" if request.is_rollback else "**Asked for**"
    takes = f", of all that pull request {request.undoes} let in" if request.undoes is not None else ""
    yield f"{what} by {code(request.who)} at {request.since:%Y-%m-%d %H:%M} UTC{takes}: {code(request.why)}"
    yield ""
    if request.is_forced:
        yield f"**Forced** by {code(request.who)}: the gates of entering were not asked."
        yield ""


def _last_words(proposal: Proposal) -> str:
    """What merging and closing do."""
    request, is_one = proposal.request, len(proposal.moves) == 1
    if request is not None and request.is_rollback:
        return (
            "Merging this is the rollback. Nothing moves forward here again but to a tag above all that were known "
            f"when it was asked for, until the hold is lifted (`fluxbridge hold list --stage {request.stage}`). It "
            "waits for no limit, window or freeze. Closing it ends the request."
        )
    if request is not None:
        return f"Merging lets {'this tag' if is_one else 'these tags'} in. Closing it ends the request."
    if is_one:
        return "Merging lets this tag in. Closing holds it: it is not proposed again until a higher tag passes."
    return "Merging lets these tags in. Closing holds them: they are not proposed again until higher tags pass."


def _move_lines(stage: str, move: Move, build_urls: Mapping[str, str]) -> list[str]:
    build = move.build
    rows = [
        ("Image", code(f"{move.image}:{move.tag}")),
        ("Digest", code(move.digest) if move.digest else "not known"),
        ("Now", code(move.was) if move.was else "nothing"),
        ("Stage", code(stage)),
        ("Policy", code(str(move.policy))),
        ("Build", _build_words(build, build_urls.get(build.build_id) if build is not None else None)),
    ]
    old, new = (_written(tag, move.changes) for tag in (move.from_tag, move.tag))
    if move.undoes is not None:
        rows.insert(3, ("Takes back", code(move.undoes.words)))
    jump = version_jump(old, new) if move.from_image is None else None
    if jump:
        rows.insert(3, ("Version", jump if move.downward is None else f"{jump}, down"))
    lines = [] if move.downward is None else [f"**This goes down**, {_down_words(move.downward)}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), "", "Why:", ""]
    lines += [f"- {code(reason)}" for reason in move.reasons]
    return [*lines, "", "Fields:", "", *_field_lines(move.changes), ""]


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


def _build_words(build: BuildReport | None, url: str | None) -> str:
    if build is None:
        return "none has reported this digest"
    name = code(f"{build.line}: {build.result}")
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


def _fit(lines: Sequence[str], longest: int) -> str:
    """Lines as one text, those before the last left out where there is no room for them."""
    room = longest - len(_MORE) - len(lines[-1]) - 1
    kept: list[str] = []
    for line in lines[:-1]:
        room -= len(line) + 1
        if room < 0:
            kept += _MORE.splitlines()
            break
        kept.append(line)
    return "\n".join([*kept, lines[-1]]) + "\n"


def _cut(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"- and {more} more"] if more > 0 else list(lines)
