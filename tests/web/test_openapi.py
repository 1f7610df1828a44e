"""Whatever is asked of the API, it answers as its own description says, and never with a 5xx."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_core import OpenAPI
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.services.history import settle_with_plan, write_history
from tests.web.site import OPERATE, READ, Site, bearer

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS = settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def test_the_description_is_valid_openapi(site: Site) -> None:
    described = site.get("/openapi.json").json()
    OpenAPI.from_dict(described)
    assert all(path.startswith("/api/v1/") for path in described["paths"])


@pytest.mark.parametrize("token", [READ, OPERATE], ids=["read", "operate"])
@pytest.mark.timeout(300)
def test_no_request_makes_a_5xx(site: Site, token: str) -> None:
    with site.database.transaction() as connection:
        write_history(connection)
        settle_with_plan(connection)
    site.send_github(b"{}")
    url, headers = str(site.client.base_url), bearer(token)
    schema = schemathesis.openapi.from_dict(site.get("/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 15
    for operation in operations:

        @SETTINGS
        @given(case=operation.as_strategy())
        def ask(case: Case[Any]) -> None:
            case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=20)

        ask()
