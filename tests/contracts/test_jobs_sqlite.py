"""The `Jobs` port on SQLite."""

from pathlib import Path

import pytest

from contracts.jobs_contract import JobsContract
from schema import migrated_file


class TestSQLiteJobs(JobsContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return migrated_file(tmp_path / "index.db")
