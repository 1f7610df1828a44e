"""`fluxbridge init rules`: a first `.fluxbridge.yaml` for a working tree, without a server, settings or a network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from app.cli.terminal import pass_on, say
from app.clients.git.working_folder import WorkingFolder, read_file
from app.clients.git.working_tree import WorkingTree
from app.compose.machine import manifest_renderer
from app.core.errors import Conflict
from app.core.flux.tree import assemble
from app.core.promotion.first_rules.proposal import FirstRules, propose_rules
from app.core.promotion.first_rules.telling import counted, found_in, left_to_people, some
from app.core.promotion.first_rules.writing import write_rules
from app.core.promotion.rules import RULES_FILE, Rules
from app.core.promotion.rules_document import InvalidRules, read_document
from app.core.promotion.rules_reading import read_rules
from app.services.heads.scans import Scans
from app.services.heads.view import links_in, read_files


class HasRules(Conflict):
    """The working tree has rules already, which are not overwritten unasked."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} is there already; see what would be written with --print, or write it anew with --force"
        )


@dataclass(frozen=True, slots=True)
class _Before:
    """The rules that the working tree has, of which roots and variables are kept; `problem` where they are unusable."""

    content: bytes | None
    rules: Rules
    problem: str | None = None


def init_rules(folder: Path, *, force: bool, to_print: bool) -> None:
    """Write rules to begin with, and say what a person has to decide."""
    file = folder / RULES_FILE
    working = WorkingFolder(folder, is_wanted=lambda path: path == RULES_FILE)
    before = _before(file)
    if before.content is not None and not (force or to_print):
        raise HasRules(file)
    passed_over: list[str] = []
    first = _propose(folder, before.rules, passed_over)
    text = write_rules(first)
    if to_print:
        pass_on(text.removesuffix("\n"))
    elif before.content is None:
        working.create(RULES_FILE, text.encode())
    else:
        working.replace({RULES_FILE: text.encode()})
    if not to_print:
        say(f"{file} is written.")
    for line in _told(first, before, passed_over, folder, is_printed=to_print):
        say(line, to_stderr=to_print)


def _before(file: Path) -> _Before:
    content = read_file(file)
    try:
        return _Before(content, read_rules(content))
    except InvalidRules as error:
        return _Before(content, Rules(), error.problem)


def _propose(folder: Path, rules: Rules, passed_over: list[str]) -> FirstRules:
    tree = WorkingTree.read(folder)
    kept = Rules(roots=rules.roots, variables=rules.variables)
    files, estate = read_files(tree, Scans(renderer=manifest_renderer()), tree.entries, kept)
    passed_over += (f"{path}: {why}" for path, why in tree.unread)
    passed_over += (f"{one.file}: {one.what}" for one in links_in(tree, tree.entries))
    return propose_rules(assemble(files, estate=estate), estate, files, kept.variables)


def _told(
    first: FirstRules, before: _Before, passed_over: Sequence[str], folder: Path, *, is_printed: bool
) -> Iterator[str]:
    """What was found, what is left to a person, and what to do next."""
    yield f"Found: {found_in(first)}."
    left = [*left_to_people(first), *_not_kept(before)]
    if passed_over:
        left.append(f"{counted(len(passed_over), 'file')} not read: {some(passed_over, mark='; ')}")
    if left:
        yield "Left to you:"
        yield from (f"  - {one}" for one in left)
    if active := first.active_automations:
        automations = counted(len(active), "ImageUpdateAutomation writes", "ImageUpdateAutomations write")
        yield f"{automations} images today: set spec.suspend to true when Fluxbridge takes over."
    again = f"  fluxbridge init rules {quote(str(folder))}"
    if is_printed:
        yield "Next: have these rules written:"
        yield f"{again}{'' if before.content is None else ' --force'}"
    elif any(root.missing for root in first.roots):
        yield "Next: fill the variables in. They are kept when what they lead to is read as well:"
        yield f"{again} --force"
    else:
        yield "Next: correct the rules, see what comes of them, commit them to the base branch, and ask the whole:"
        yield f"  fluxbridge check --repo-only {quote(str(folder))}"
        yield "  fluxbridge check"


def _not_kept(before: _Before) -> Iterator[str]:
    """What stands in the rules that there are, and is not in those that are proposed."""
    if before.problem is not None:
        yield f"the {RULES_FILE} that was there cannot be read, so nothing of it is kept: {before.problem}"
    elif before.content is not None:
        document = read_document(before.content)
        keys = [key for key in document if key != "roots"] if isinstance(document, dict) else []
        if keys:
            yield f"of the {RULES_FILE} that was there only roots and variables are kept, not its {', '.join(keys)}"
