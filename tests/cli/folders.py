"""A working directory to edit."""

import json
from pathlib import Path

from tests.cli.console import Console, Ended

DIGEST = "sha256:" + "1b" * 32
WEB = '# {"$imagepolicy": "flux-system:web"}'
TAG = '# {"$imagepolicy": "flux-system:web:tag"}'


class Folder:
    """A working directory beside a file of selections."""

    def __init__(self, path: Path, console: Console) -> None:
        self.path, self.console = path / "config", console
        self.path.mkdir()
        self.selections = path / "selections.yaml"

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return file

    def text(self, name: str) -> str:
        return (self.path / name).read_bytes().decode()

    def edit(self, selections: object, *options: str) -> Ended:
        text = selections if isinstance(selections, str) else json.dumps(selections)
        self.selections.write_text(text, encoding="utf-8")
        return self.console.run("edit", str(self.path), "--selections", str(self.selections), *options)

    def refused(self, selections: str) -> str:
        self.selections.write_text(selections, encoding="utf-8")
        return self.console.refused(2, "edit", str(self.path), "--selections", str(self.selections))
