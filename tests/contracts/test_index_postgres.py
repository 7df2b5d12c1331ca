"""The `Index` and `Transaction` ports on PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.described import a_kept
from contracts.index_contract import IndexContract
from contracts.matching_contract import MatchingContract
from imagebank.model.access import Scope
from imagebank.model.imaging import Outcome, Selection
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex
from schema import fresh_database, migrated_database

ALL = Scope(None)


class TestPostgresIndex(IndexContract):
    @pytest.fixture
    def address(self, postgres: str) -> Iterator[str]:
        with migrated_database(postgres) as address:
            yield address

    @pytest.fixture
    def bare(self, postgres: str) -> Iterator[str]:
        with fresh_database(postgres) as address:
            yield address

    def test_a_patient_s_last_study_is_removed_while_another_comes(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index()
        with index.begin() as tx:
            tx.enter([a_kept(study="1.1")])

        with ThreadPoolExecutor(1) as pool:
            with index.begin() as tx:
                entered = tx.enter([a_kept(study="1.2")])
                removal = pool.submit(remove, index, "1.1")
                time.sleep(0.5)
            removed = removal.result(30)
        assert ([one.outcome for one in entered], removed) == ([Outcome.STORED], 1)
        assert remove(index, "1.2") == 1


def remove(index: SQLIndex, study: str) -> int:
    with index.begin() as tx:
        return len(tx.remove(Selection(study=Uid(study)), ALL))


class TestPostgresMatching(MatchingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, postgres: str) -> Iterator[str]:
        with migrated_database(postgres) as address:
            yield address
