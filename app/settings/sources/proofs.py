"""How senders prove themselves, as far as several shapes of sources have it."""

from app.settings.secrets import Secrets
from app.settings.values import LoginName, Section, wrong


class BasicLogin(Section):
    """A user and a password by which a sender shows who it is."""

    user: LoginName
    """The user of HTTP Basic authentication."""
    password: Secrets
    """Its password."""


def require_one_proof(source: Section, names: tuple[str, ...]) -> None:
    """Refuse a source that has none or several of these keys: the one that is weaker would count."""
    if sum(getattr(source, name) is not None for name in names) != 1:
        *others, last = names
        raise wrong(f"must have exactly one of {', '.join(others)} and {last}: without it anyone could post")
