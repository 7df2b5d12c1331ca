"""The `Index` and `Transaction` ports on PostgreSQL."""

from collections.abc import Iterator

import pytest

from contracts.index_contract import IndexContract
from contracts.matching_contract import MatchingContract
from contracts.postgres import fresh_database


class TestPostgresIndex(IndexContract):
    @pytest.fixture
    def address(self, postgres: str) -> Iterator[str]:
        with fresh_database(postgres) as address:
            yield address


class TestPostgresMatching(MatchingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, postgres: str) -> Iterator[str]:
        with fresh_database(postgres) as address:
            yield address
