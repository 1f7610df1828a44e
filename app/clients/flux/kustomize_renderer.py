"""Renders folders with the kubectl of this machine, of files that are laid out for that alone."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.clients.flux.kubectl import Kubectl, KubectlMissing
from app.clients.flux.kustomizations import is_plain_path, why_not_built
from app.core.errors import Refused, Unavailable
from app.core.ports import RenderedManifests

_TIMEOUT_S = 30.0


class NoKubectlToRender(Refused):
    """There is no kubectl to render with."""

    def __init__(self) -> None:
        super().__init__("kubectl is not on the PATH: install it, and what it makes of this folder is read")


class CannotRenderHere(Unavailable):
    """The files to be rendered could not be written to a temporary folder."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the files could not be laid out for kubectl: {problem}")


class KustomizeRenderer:
    """`kubectl kustomize` as the ManifestRenderer: offline, without plugins, within limits; see `Kubectl`.

    Without a `program` it is the kubectl of the PATH, which is looked for each time.
    """

    def __init__(self, program: Path | None = None, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._program, self._timeout_s = program, timeout_s

    def render(self, folder: str, files: Mapping[str, bytes]) -> RenderedManifests:
        """Render a folder among files; see `ManifestRenderer`.

        Raises NoKubectlToRender, CannotRenderHere, BuildDidNotEnd.
        """
        found = self._program or shutil.which("kubectl")
        if found is None:
            raise NoKubectlToRender
        refusal = _why_not_laid_out([*files, *filter(None, [folder])]) or why_not_built(
            folder, files, files.__getitem__
        )
        if refusal is not None:
            return RenderedManifests(problem=refusal)
        try:
            with tempfile.TemporaryDirectory(prefix="fluxbridge-") as name:
                root = Path(name)
                _lay_out(root, files)
                return Kubectl(Path(found).absolute(), timeout_s=self._timeout_s).render(root, folder)
        except KubectlMissing as error:
            raise NoKubectlToRender from error
        except OSError as error:
            raise CannotRenderHere(error.strerror or "unknown problem") from error


def _why_not_laid_out(paths: Iterable[str]) -> str | None:
    odd = next((path for path in paths if not is_plain_path(path)), None)
    return None if odd is None else f"{odd[:200]!r} is no path below the repository"


def _lay_out(root: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
