"""The `Jobs` port on SQLite."""

from pathlib import Path

import pytest

from contracts.jobs_contract import JobsContract


class TestSQLiteJobs(JobsContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'index.db'}"
