"""The `Jobs` port on PostgreSQL."""

from collections.abc import Iterator

import pytest

from contracts.jobs_contract import JobsContract
from schema import migrated_database


class TestPostgresJobs(JobsContract):
    @pytest.fixture
    def address(self, postgres: str) -> Iterator[str]:
        with migrated_database(postgres) as address:
            yield address
