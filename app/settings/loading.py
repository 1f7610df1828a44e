"""From the settings file to Settings, with every problem told at once and at its place."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.core.errors import Refused
from app.core.nearest import did_you_mean
from app.settings.document import Document, Key, Problem, read_document
from app.settings.keys import keys_beside
from app.settings.models import Settings
from app.settings.references import contradictions
from app.settings.retired import take_out_retired

_MESSAGES = {
    "missing": "is missing",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of names to entries",
    "tuple_type": "must be a list",
    "string_type": "must be text (quote what looks like a number)",
    "path_type": "must be a path",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "union_tag_not_found": "must have a kind",
    "string_too_short": "must not be empty",
    "too_short": "must have at least one entry",
}


class InvalidSettings(Refused):
    """The settings file cannot be used; the message has one line for each problem: file, line, column, key."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(_line(path, problem) for problem in problems))
        self.path, self.problems = path, tuple(problems)


def settings_path(environ: Mapping[str, str]) -> Path:
    """The settings file: FLUXBRIDGE_CONFIG, else fluxbridge.yaml in the working directory."""
    return Path(environ.get("FLUXBRIDGE_CONFIG") or "fluxbridge.yaml")


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read and check the whole file; no secret is read, but each will be from this `environ` when it is used.

    Keys that there are no more stop nothing: `notices` of the settings tells them. Raises InvalidSettings with every
    problem of one pass: of shape first, then of what the sections say together.
    """
    document = read_document(_text(path))
    retired = [Problem(key, document.place(key), told) for key, told in take_out_retired(document.values)]
    notices = tuple(_line(path, one) for one in sorted(retired, key=_position))
    context = {"folder": path.absolute().parent, "environ": environ, "notices": notices}
    problems = list(document.problems)
    settings = None
    if document.values is not None:
        try:
            # Given as an option so that the default of data_dir is below the file's folder as well.
            settings = Settings.model_validate(_with_data_dir(document.values), context=context)
        except ValidationError as error:
            problems += [_problem(document, detail) for detail in error.errors(include_url=False, include_input=False)]
    if settings is not None and not problems:
        problems += [Problem(key, document.place(key), message) for key, message in contradictions(settings)]
    if settings is None or problems:
        raise InvalidSettings(path, sorted(problems, key=_position))
    return settings


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        told = "does not exist: write it, or name another by FLUXBRIDGE_CONFIG"
        raise InvalidSettings(path, [Problem((), None, told)]) from None
    except OSError as error:
        raise InvalidSettings(path, [Problem((), None, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError:
        raise InvalidSettings(path, [Problem((), None, "is not UTF-8 text")]) from None


def _with_data_dir(values: object) -> object:
    return {"data_dir": "data", **values} if isinstance(values, dict) else values


def _problem(document: Document, detail: ErrorDetails) -> Problem:
    key = _key(document, detail["loc"])
    message = _MESSAGES.get(detail["type"]) or detail["msg"].replace("Input should be", "must be")
    if detail["type"] == "extra_forbidden":
        message = _not_a_setting(detail["loc"])
    elif detail["type"] == "union_tag_invalid":
        key, message = (*key, "kind"), f"must be one of {detail['ctx']['expected_tags']}"
    return Problem(key, document.place(key), message)


def _not_a_setting(loc: Key) -> str:
    meant = did_you_mean(str(loc[-1]), keys_beside(loc))
    return f"is not a setting{f': {meant}' if meant else ''} (docs/configuration.md lists them)"


def _key(document: Document, loc: Key) -> Key:
    """Turn pydantic's location into the key as written: union tags, key marks and the index of a lone secret go."""
    tag_at = {"sources": 2, "config_repos": 3}.get(str(loc[0]) if loc else "")
    written: Key = ()
    for index, part in enumerate(loc):
        is_tag = index == tag_at and (loc[0] == "sources" or loc[2] == "forge")
        is_lone = part == 0 and (*written, 0) not in document.places
        if not is_tag and not is_lone and part != "[key]":
            written = (*written, part)
    return written


def _position(problem: Problem) -> tuple[int, int]:
    return (problem.place.line, problem.place.column) if problem.place else (0, 0)


def _line(path: Path, problem: Problem) -> str:
    where = f"{path}:{problem.place.line}:{problem.place.column}" if problem.place else str(path)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.key).lstrip(".")
    return f"{where}: {key}: {problem.message}" if key else f"{where}: {problem.message}"
