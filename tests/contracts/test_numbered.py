"""Parameters by number, as PostgreSQL has them."""

from collections.abc import Iterator

import psycopg
import pytest

from imagebank.storage.numbered import Numbered


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


def test_a_name_that_stands_twice_is_one_parameter(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    statement = Numbered("SELECT %(a)s::int + %(b)s::int + %(a)s::int")

    assert statement.run(connection, {"a": 1, "b": 10, "unused": 5}).fetchone() == (12,)


def test_a_percent_sign_is_one(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    assert Numbered("SELECT 'abc' LIKE 'a%%', %(x)s::text").run(connection, {"x": "100%"}).fetchone() == (True, "100%")
    assert Numbered("SELECT 7 %% 4").run(connection, {}).fetchone() == (3,)
