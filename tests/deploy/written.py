"""What the Dockerfile and the compose files say, read for tests."""

import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def stage(name: str) -> str:
    """The instructions of one stage of the Dockerfile."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, f"the Dockerfile has no stage {name}"
    return found[1]


def instruction(name: str) -> str:
    """The one instruction of this name in the stage that becomes the image."""
    found = re.findall(rf"^{name} (.+)$", stage("fluxbridge"), re.MULTILINE)
    assert len(found) == 1, f"the stage fluxbridge has {len(found)} {name}"
    return str(found[0]).strip()


def health_check() -> list[str]:
    """The command by which the image tells whether it is well."""
    command: list[str] = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    return command


def read_yaml(text: str) -> Any:
    """One YAML document."""
    return YAML(typ="safe", pure=True).load(text)


def compose(path: str = "docker-compose.yml") -> dict[str, Any]:
    """A compose file where no variable is set."""
    text = VARIABLE.sub(lambda found: found[3] or "", (ROOT / path).read_text(encoding="utf-8"))
    read: dict[str, Any] = read_yaml(text)
    return read


def command(service: str) -> list[str]:
    """All the words of a service of our image, without tini."""
    described = compose()["services"][service]
    entrypoint = described.get("entrypoint") or json.loads(instruction("ENTRYPOINT"))
    assert entrypoint[:2] == ["tini", "--"]
    return [*entrypoint[2:], *described.get("command", [])]
