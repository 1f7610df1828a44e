"""The settings of a local forge."""

from typing import ClassVar, Literal

from app.settings.forges.budgets import Budget
from app.settings.secrets import Secret
from app.settings.values import Section


class LocalForge(Section):
    """No forge: pull requests are kept in the bare repository itself."""

    kind: Literal["local"]

    is_in_repository: ClassVar[bool] = True
    git_user: ClassVar[str] = ""

    @property
    def git_token(self) -> Secret | None:
        """A folder of this machine needs none."""
        return None

    @property
    def asked_at(self) -> str | None:
        """It is where the repository is."""
        return None

    @property
    def budget(self) -> Budget:
        """Nobody counts."""
        return Budget("local")
