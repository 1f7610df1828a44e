"""Secrets: named in the settings file, read at the moment of use, never shown."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, PrivateAttr, model_validator

from app.core.errors import Refused
from app.settings.values import ONE_OR_MANY, Called, FilePath, Section, Text, wrong

SHORTEST = 16
"""The fewest characters of a secret by which others prove themselves to us."""
_SCHEME = re.compile(r"(?:basic|bearer|token) +", re.IGNORECASE)


class SecretUnreadable(Refused):
    """A secret's file or environment variable is missing, empty or unreadable."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place} should hold a secret, but {problem}; provide it or name another in the settings")
        self.place = place


class SecretTooShort(Refused):
    """A secret by which others prove themselves to us can be guessed: it has too few characters."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place} holds a secret that is too short: put one of {SHORTEST} characters or more in its place, "
            "such as `openssl rand -hex 32` makes"
        )
        self.place = place


class SecretsTooShort(Refused):
    """Secrets of the settings are too short to start with; the message has one line for each: its key, its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))


class Secret(Section):
    """Where a secret is kept: an environment variable or a file."""

    env: Text | None = None
    file: FilePath | None = None
    _environ: Mapping[str, str] = PrivateAttr(default_factory=lambda: os.environ)

    @model_validator(mode="before")
    @classmethod
    def _is_a_place(cls, value: object) -> object:
        if not isinstance(value, dict | Secret):
            raise wrong("is a secret: write {env: NAME} or {file: PATH}, never the secret itself")
        return value

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise wrong("must have exactly one of env and file")
        return self

    def model_post_init(self, context: object, /) -> None:
        """Keep the environment that the settings were read with."""
        if isinstance(context, dict) and "environ" in context:
            self._environ = context["environ"]

    @property
    def place(self) -> str:
        """Say where the secret is, for messages."""
        return f"the environment variable {self.env}" if self.env else f"the file {self.file}"

    def read(self) -> str:
        """Return the secret as it is now; a file's one trailing newline is not part of it.

        Raises SecretUnreadable, also where it is empty.
        """
        text = self._from_file(self.file) if self.file else self._from_environment(self.env or "")
        if not text.strip():
            raise SecretUnreadable(self.place, "it is empty")
        return text

    def _from_environment(self, name: str) -> str:
        if name not in self._environ:
            raise SecretUnreadable(self.place, "it is not set")
        return self._environ[name]

    def _from_file(self, path: Path) -> str:
        try:
            text = path.read_bytes().decode()
        except OSError as error:
            raise SecretUnreadable(self.place, f"it cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            # The error's own text would show bytes of the secret, so it is not chained.
            raise SecretUnreadable(self.place, "it is not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r")


class AcceptedSecret(Secret):
    """A secret by which others prove themselves to us, so that it is ours to demand that nobody can guess it."""

    def read(self) -> str:
        """The same; of a header's value the scheme, such as `Bearer`, does not count. Raises SecretTooShort too."""
        text = super().read()
        if len(_SCHEME.sub("", text.strip(), count=1)) < SHORTEST:
            raise SecretTooShort(self.place)
        return text


Secrets = Annotated[tuple[AcceptedSecret, ...], Called("secret or list"), ONE_OR_MANY, Field(min_length=1)]
"""One secret that others show us, or while it is rotated a list of which any is accepted."""


def named_secrets(section: BaseModel) -> Iterator[tuple[str, Secret]]:
    """Every secret below a section with its key, such as `sources.ci.secret`, or `sources.ci.secret[1]` in a list."""
    yield from _walk("", section)


def unusable_secrets(section: BaseModel) -> Mapping[str, str]:
    """What is wrong with each secret below a section that cannot be used now, by its key."""
    return _problems(section, SecretUnreadable, SecretTooShort)


def require_long_secrets(section: BaseModel) -> None:
    """Refuse secrets that are too short, whoever needs them; one that cannot be read is told at its use.

    Raises SecretsTooShort.
    """
    if problems := _problems(section, SecretTooShort):
        raise SecretsTooShort([f"{key}: {problem}" for key, problem in problems.items()])


def _problems(section: BaseModel, *kinds: type[Refused]) -> Mapping[str, str]:
    problems = {}
    for key, secret in named_secrets(section):
        try:
            secret.read()
        except (SecretUnreadable, SecretTooShort) as error:
            if isinstance(error, kinds):
                problems[key] = str(error)
    return problems


def _walk(key: str, value: object) -> Iterator[tuple[str, Secret]]:
    match value:
        case Secret():
            yield key, value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _walk(f"{key}.{name}".lstrip("."), getattr(value, name))
        case dict():
            for name, item in value.items():
                yield from _walk(f"{key}.{name}", item)
        case tuple():
            for index, item in enumerate(value):
                yield from _walk(f"{key}[{index}]" if len(value) > 1 else key, item)
