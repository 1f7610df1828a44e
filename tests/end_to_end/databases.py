"""On which databases a test goes the whole way."""

import pytest

both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
"""Also on PostgreSQL, where processes tell each other of work and rows are locked one by one."""
