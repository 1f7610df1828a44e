"""The page about the API names everything that the API has."""

import re
from pathlib import Path

from app.core.errors import FluxbridgeError
from app.db.database import Database
from app.web.application import create_web
from app.web.errors import STATUSES
from tests.web.routes import routes_of
from tests.web.site import Site, parts_for

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_endpoint_is_on_the_page_and_nothing_else(light_database: Database) -> None:
    served = {f"{method} {_short(path)}" for method, path in routes_of(create_web(parts_for(light_database)))}
    assert set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", PAGE)) == served


def test_every_filter_is_on_the_page(light_site: Site) -> None:
    for path, methods in light_site.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            line = next(line for line in PAGE.splitlines() if f"{method.upper()} {_short(path)}`" in line)
            wanted = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
            missing = {name for name in wanted - {"after", "limit"} if f"`{name}`" not in line}
            assert not missing, (path, missing)


def test_every_kind_of_error_is_on_the_page_with_its_status() -> None:
    kinds: dict[type[FluxbridgeError], str] = {
        kind: re.sub(r"(?<!^)([A-Z])", r"-\1", kind.__name__).lower() for kind in STATUSES
    }
    for kind, status in STATUSES.items():
        assert f"| {status.value} | `urn:fluxbridge:problem:{kinds[kind]}` |" in PAGE


def _short(path: str) -> str:
    return re.sub(r"\{(?:delivery|build|promotion)_id\}", "{id}", path)
