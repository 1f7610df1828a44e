"""Whatever is asked of the API, it answers as its own description says, and never with a 5xx."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.extent import EXAMPLES
from tests.parts import required
from tests.services.history import settle_with_plan, write_history
from tests.web.site import OPERATE, READ, Site, bearer

CHECKS = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
SETTINGS = settings(
    max_examples=max(8, EXAMPLES // 4),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def described_operations(site: Site) -> Iterator[Any]:
    """What may be asked, as schemathesis reads it from the description."""
    is_ok = required("schemathesis.core.result").Ok
    schema = required("schemathesis").openapi.from_dict(site.get("/openapi.json").json())
    return (found.ok() for found in schema.get_all_operations() if isinstance(found, is_ok))


def described_checks() -> list[Any]:
    """What each answer must be."""
    checks = required("schemathesis.specs.openapi.checks")
    return [required("schemathesis.checks").not_a_server_error, *(getattr(checks, name) for name in CHECKS)]


def test_the_description_is_valid_openapi(site: Site) -> None:
    described = site.get("/openapi.json").json()
    required("openapi_core").OpenAPI.from_dict(described)
    assert all(path.startswith("/api/v1/") for path in described["paths"])


@pytest.mark.parametrize("token", [READ, OPERATE], ids=["read", "operate"])
@pytest.mark.timeout(300)
def test_no_request_makes_a_5xx(site: Site, token: str) -> None:
    with site.database.transaction() as connection:
        write_history(connection)
        settle_with_plan(connection)
    site.send_github(b"{}")
    url, headers = str(site.client.base_url), bearer(token)
    operations = list(described_operations(site))
    checks = described_checks()
    assert len(operations) > 15
    for operation in operations:

        @SETTINGS
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(base_url=url, headers=headers, checks=checks, timeout=20)

        ask()
