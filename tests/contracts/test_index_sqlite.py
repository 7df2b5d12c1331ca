"""The `Index` and `Transaction` ports on SQLite."""

from pathlib import Path

import pytest

from contracts.index_contract import IndexContract
from contracts.matching_contract import MatchingContract
from schema import migrated_file


class TestSQLiteIndex(IndexContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return migrated_file(tmp_path / "index.db")

    @pytest.fixture
    def bare(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'empty.db'}"


class TestSQLiteMatching(MatchingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, tmp_path_factory: pytest.TempPathFactory) -> str:
        return migrated_file(tmp_path_factory.mktemp("matching") / "index.db")
