"""What goes wrong where a registry is asked."""

from datetime import timedelta

from app.core.errors import Refused, Unavailable


class RegistryRefused(Refused):
    """A registry, or what issues its tokens, does not let us read."""

    def __init__(self, host: str, problem: str) -> None:
        super().__init__(f"registry {host}: {problem}")
        self.host = host


class RegistryUnavailable(Unavailable):
    """A registry does not answer, or not as a registry, just now."""

    def __init__(self, host: str, problem: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(f"registry {host}: {problem}", retry_after=retry_after)
        self.host = host


class RegistrySilent(RegistryUnavailable):
    """A registry gave no answer at all, or gave none just now and is left alone."""


class ExtraMissing(Refused):
    """The settings ask for credentials that a library brings which is not installed."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(
            f"auth.{extra} of a registry needs {module}, which is not installed: pip install 'fluxbridge[{extra}]'"
        )
        self.extra = extra
