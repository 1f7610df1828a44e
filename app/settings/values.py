"""The kinds of value that settings are made of: names, URLs, paths, durations, patterns."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from app.core.errors import Invalid
from app.core.images import ImageName

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_SSH_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9~/][^\s]*")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+")
_OWNER_ON_GITEA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REMOTE_SCHEMES = frozenset({"http", "https", "ssh"})


class Section(BaseModel):
    """A mapping in the settings file: unknown keys are errors, and nothing changes after it was read.

    What stands below a field is its line in docs/configuration.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Called:
    """What docs/configuration.md calls a kind of value; of several the first counts."""

    words: str


def wrong(problem: str) -> PydanticCustomError:
    """Make the error of one value; its text follows the key's name and must not repeat what may be secret."""
    # Braces are pydantic's placeholders, and none of ours are meant as such.
    return PydanticCustomError("fluxbridge", "{problem}", {"problem": problem})


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise wrong("must be 1 to 63 of a-z, 0-9 and -, not starting with -")
    return text


def _resolved(path: Path, info: ValidationInfo) -> Path:
    folder: Path | None = info.context and info.context.get("folder")
    return folder / path if folder else path


def _web_url(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise wrong("must be an http:// or https:// URL")
    if "@" in parts.netloc:
        raise wrong("must not carry a user or a password: give them by their own keys")
    if parts.query or parts.fragment:
        raise wrong("must end with its path: leave ? and # out")
    return text.rstrip("/")


def _exact_url(text: str) -> str:
    """What is compared letter by letter stays as it was written."""
    _web_url(text)
    return text


def _proxy_url(text: str) -> str:
    if "@" in _split(text).netloc:
        raise wrong("must not carry a user or a password: a proxy that asks for them is not supported")
    return _web_url(text)


def _git_url(text: str, info: ValidationInfo) -> str:
    if _SSH_ADDRESS.fullmatch(text):
        return text
    if text.startswith(("/", "./", "../")):
        return str(_resolved(Path(text), info))
    parts = _split(text)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return text
    if parts.scheme not in _REMOTE_SCHEMES or not parts.hostname or parts.hostname.startswith("-"):
        raise wrong("must be https://, http://, ssh://, git@host:path, file:///path, or a path starting with / or ./")
    if parts.password or (parts.username and parts.scheme != "ssh"):
        raise wrong("must not carry a user or a password: give them as credentials")
    return text


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise wrong("is no URL") from None
    if not text.isprintable() or " " in text:
        raise wrong("is no URL: it has spaces or control characters")
    return parts


def _branch(text: str) -> str:
    pieces = text.split("/")
    odd = ".." in text or any(not piece or piece.startswith(".") or piece.endswith((".", ".lock")) for piece in pieces)
    if odd or not _BRANCH.fullmatch(text) or text.startswith("refs/"):
        raise wrong("must be a short branch name such as main or release/1.2")
    return text


def _folder_in_repo(text: str) -> str:
    pieces = [piece for piece in text.split("/") if piece not in {"", "."}]
    if text.startswith("/") or ".." in pieces or "\\" in text or not text.isprintable():
        raise wrong("must be a folder of the config repo such as clusters/prod-eu, without .. and a leading /")
    return "/".join(pieces)


def _registry_host(text: str) -> str:
    # Without a dot or a port, image names would read the word as a folder of Docker Hub.
    if "/" not in text and ("." in text or ":" in text or text == "localhost"):
        with suppress(Invalid):
            return ImageName.parse(f"{text}/x/y").registry
    raise wrong("must be a host such as registry.acme.example or localhost:5000, without scheme and path")


def _registry_path(text: str) -> str:
    if text:
        with suppress(Invalid):
            return ImageName.at("localhost", text).path
        raise wrong(
            "must be a path such as docker-local or team/docker, in lower case, without / at its ends, or empty"
        )
    return text


def _header_name(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise wrong("must be the name of an HTTP header")
    return text


def _root_path(text: str) -> str:
    if text and (not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+", text)):
        raise wrong("must be empty or a path such as /fluxbridge, without a trailing /")
    return text


def _identity_part(text: str) -> str:
    if not text.isprintable() or any(mark in text for mark in "<>") or text != text.strip():
        raise wrong("must be one line without < and >, as git writes names and addresses")
    return text


def _header_text(text: str) -> str:
    if not text.isprintable() or ":" in text:
        raise wrong("must be one line without a colon")
    return text


def _repository_on_github(text: str) -> str:
    return _owned_repository(text, _OWNER)


def _repository_on_gitea(text: str) -> str:
    return _owned_repository(text, _OWNER_ON_GITEA)


def _owned_repository(text: str, owners: re.Pattern[str]) -> str:
    owner, _, name = text.partition("/")
    if not owners.fullmatch(owner) or not _REPOSITORY.fullmatch(name) or name in {".", ".."}:
        raise wrong("must be owner/name, as in the repository's URL")
    return text


def _project_on_gitlab(text: str) -> str:
    parts = text.split("/")
    is_odd = any(not _REPOSITORY.fullmatch(part) or part.startswith("-") or part in {".", ".."} for part in parts)
    if len(parts) < 2 or is_odd or len(text) > 255 or text.endswith((".git", ".atom")):
        raise wrong("must be group/name or group/subgroup/name, as in the project's URL")
    return text


def _schedule(text: str) -> str:
    if text == "never":
        return text
    # Of any year will do: it only has to be some time.
    with suppress(CronSimError):
        if len(text.split()) == 5 and next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)), None) is not None:
            return text
    raise wrong("must be a cron expression of five parts in UTC, such as 17 * * * * (minute 17 of each hour), or never")


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


ONE_OR_MANY = BeforeValidator(_as_list)
"""Lets one value stand for a list of one."""

Text = Annotated[str, Called("text"), StringConstraints(min_length=1, max_length=1000)]
Name = Annotated[str, Called("name"), AfterValidator(_name)]
FilePath = Annotated[Path, Called("path"), AfterValidator(_resolved)]
WebUrl = Annotated[str, Called("URL"), AfterValidator(_web_url)]
ExactUrl = Annotated[str, Called("URL"), AfterValidator(_exact_url)]
ProxyUrl = Annotated[str, Called("URL"), AfterValidator(_proxy_url)]
GitUrl = Annotated[str, Called("Git URL"), AfterValidator(_git_url)]
Branch = Annotated[str, Called("branch"), AfterValidator(_branch)]
RepoFolder = Annotated[str, Called("folder"), AfterValidator(_folder_in_repo)]
RegistryHost = Annotated[str, Called("host"), AfterValidator(_registry_host)]
RegistryPath = Annotated[str, Called("path"), AfterValidator(_registry_path)]
GitHubRepository = Annotated[str, Called("`owner/name`"), AfterValidator(_repository_on_github)]
GiteaRepository = Annotated[str, Called("`owner/name`"), AfterValidator(_repository_on_gitea)]
GitLabProject = Annotated[str, Called("`group/name`"), AfterValidator(_project_on_gitlab)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
RootPath = Annotated[str, Called("path"), AfterValidator(_root_path)]
IdentityPart = Annotated[Text, AfterValidator(_identity_part)]
LoginName = Annotated[Text, AfterValidator(_header_text)]
Patterns = Annotated[tuple[Text, ...], Called("patterns"), Field(min_length=1)]
Flag = Annotated[bool, Called("`true` or `false`"), Strict()]
Schedule = Annotated[Text, Called("schedule"), AfterValidator(_schedule)]
Count = Annotated[int, Called("at least 1"), Strict(), Field(ge=1)]
Seconds = Annotated[float, Called("seconds"), Strict(), Field(gt=0, allow_inf_nan=False)]
NoOrSomeSeconds = Annotated[float, Called("seconds"), Strict(), Field(ge=0, allow_inf_nan=False)]
