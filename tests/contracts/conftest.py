"""Makes the servers known to the contract tests, and their assertions tell what they saw."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("contracts.index_contract", "contracts.matching_contract", "contracts.jobs_contract")

from contracts.indexes import opened  # noqa: E402  # the suites have to be named before they are imported
from contracts.postgres import postgres  # noqa: E402  # the same
from contracts.seaweed import seaweed  # noqa: E402  # the same
from imagebank.storage.index import SQLIndex  # noqa: E402  # the same
from schema import migrated_database, migrated_file  # noqa: E402  # the same

__all__ = ["postgres", "seaweed"]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind, with the schema of now and nothing in it."""
    if request.param == "sqlite":
        yield migrated_file(tmp_path / "index.db")
    else:
        with migrated_database(request.getfixturevalue("postgres")) as made:
            yield made


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    """An index of a test's own on each kind of database."""
    with opened(address) as made:
        yield made
