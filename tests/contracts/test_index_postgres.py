"""The `Index` and `Transaction` ports on PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from contracts.described import a_kept, studies
from contracts.index_contract import IndexContract
from contracts.matching_contract import MatchingContract
from imagebank.model.access import Scope
from imagebank.model.imaging import Outcome, Selection
from imagebank.model.uid import Uid
from imagebank.storage import asking
from imagebank.storage.database import open_database
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

    def test_a_question_with_more_answers_than_are_fetched_at_once(
        self, index: SQLIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "STREAMED", 2)
        with index.begin() as tx:
            tx.enter([a_kept(study=f"1.{number}") for number in range(5)])

        def found(limit: int | None) -> list[str]:
            return [one.attributes["0020000D"]["Value"][0] for one in index.find(studies(limit=limit), ALL)]

        assert found(None) == [f"1.{number}" for number in range(5)]
        assert (found(1), found(4)) == (["1.0"], [f"1.{number}" for number in range(4)])

    def test_reading_begins_no_transaction_and_what_is_prepared_stays(self, bare: str) -> None:
        database = open_database(bare)
        ask = text("SELECT n FROM generate_series(1, :most) AS n")
        with database.reading() as connection:
            for _ in range(8):
                connection.execute(ask, {"most": 1}).all()
            assert connection.connection.dbapi_connection.info.transaction_status == 0  # type: ignore[union-attr]
        with database.streaming() as connection:
            assert connection.execute(ask, {"most": 9000}).first() == (1,)
        with database.reading() as connection:
            prepared = connection.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        database.close()
        assert prepared == 1


def remove(index: SQLIndex, study: str) -> int:
    with index.begin() as tx:
        return len(tx.remove(Selection(study=Uid(study)), ALL))


class TestPostgresMatching(MatchingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, postgres: str) -> Iterator[str]:
        with migrated_database(postgres) as address:
            yield address
