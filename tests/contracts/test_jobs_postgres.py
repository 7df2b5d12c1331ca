"""The `Jobs` port on PostgreSQL."""

from collections.abc import Iterator

import pytest

from contracts.jobs_contract import JobsContract
from contracts.postgres import fresh_database


class TestPostgresJobs(JobsContract):
    @pytest.fixture
    def address(self, postgres: str) -> Iterator[str]:
        with fresh_database(postgres) as address:
            yield address
