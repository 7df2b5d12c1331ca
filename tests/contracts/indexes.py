"""An index of a test's own on each kind of database, for suites of what stands beside the images."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contracts.described import a_kept
from imagebank.model.attribute import catalogue
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate


@contextmanager
def opened(address: str) -> Iterator[SQLIndex]:
    """The index in a database, with the schema of now."""
    database = open_database(address)
    migrate(database)
    index = SQLIndex(database, catalogue())
    try:
        yield index
    finally:
        index.close()


def put(index: SQLIndex, study: str, organization: str, patient: str, **given: Any) -> None:
    """Enter an instance of an organization's own patient, by name of what it has besides."""
    with index.begin() as tx:
        tx.enter([a_kept(study=study, organization=organization, patient=patient, issuer=organization, **given)])
