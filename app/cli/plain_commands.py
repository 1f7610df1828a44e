"""Commands that take texts, paths and flags: what typer converts others with, pydantic, takes a tenth of a second."""

import os
from pathlib import Path
from typing import Any

from typer._click import Context, Parameter
from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class PlainCommand(TyperCommand):
    """A command without checks of paths beyond that what exists can be read."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Give its parameters, made lighter."""
        return _lighter(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """The same of a group's own options."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Give its parameters, made lighter."""
        return _lighter(super().get_params(ctx))


class _Lighter(RuntimeParam):
    """Takes readable paths as they are, and has typer's own way load what it needs for anything else, errors too."""

    def _coerce_value(self, value: Any, param: Any, ctx: Context) -> Any:
        if self.annotation is Path and isinstance(value, str) and os.access(value, os.R_OK):
            return Path(value)
        return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)


def _lighter(params: list[Parameter]) -> list[Parameter]:
    for one in params:
        if isinstance(one, TyperArgument | TyperOption) and one._runtime_param is None:  # noqa: SLF001 (no public way)
            described = one.type_descriptor
            one._runtime_param = _Lighter(described.parameter_info, described.annotation)  # noqa: SLF001 (as above)
    return params
