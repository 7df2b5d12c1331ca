"""The keys of accounts, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from imagebank.errors import NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey, owner_of
from imagebank.model.person import PatientId
from imagebank.storage.account_keys import SQLAccountKeys, close, require_living
from imagebank.storage.database import Database, open_database
from imagebank.storage.files import FileBlobs
from imagebank.storage.keys import FileKeys
from imagebank.storage.migrate import migrate
from schema import migrated_database, migrated_file

ADA, BOB = PatientId("north", "ADA"), PatientId("north", "BOB")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = open_database(migrated_file(tmp_path / "index.db"))
        migrate(database)
        yield database
        database.close()
    else:
        with migrated_database(request.getfixturevalue("postgres")) as address:
            database = open_database(address)
            migrate(database)
            yield database
            database.close()


class Site:
    """One process: the keys and the objects that they seal."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.keys = SQLAccountKeys(FileKeys(folder / "root.key"), database, b"people")
        self.blobs = FileBlobs(folder / "objects", self.keys)
        self.keys.keep_in(self.blobs)

    def keep(self, key: AccountKey | None = None) -> Location:
        location = self.blobs.write(BytesIO(b"content"), 7, b"note", key)
        self.blobs.sync([location])
        return location


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Iterator[Site]:
    site = Site(tmp_path, database)
    yield site
    site.blobs.close()


def destroy(site: Site, database: Database, owner: PatientId) -> list[bytes]:
    names = site.keys.names_of(owner)
    with database.writing() as connection:
        close(connection, names)
    site.keys.destroy(names)
    return names


def test_an_account_has_one_key_for_every_process(tmp_path: Path, site: Site, database: Database) -> None:
    other = Site(tmp_path, database)
    key = site.keys.of(ADA)
    location = site.keep(key)

    assert other.keys.of(ADA) == key == site.keys.of(ADA)
    assert site.keys.of(BOB) != key
    assert other.blobs.read(location) == b"content"
    other.blobs.close()


def test_threads_that_come_at_once_get_the_same_key(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: site.keys.of(ADA).name, range(32)))

    assert len(keys) == 1


def test_a_key_is_shown_to_nobody(site: Site) -> None:
    key = site.keys.of(ADA)

    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_what_the_root_key_wrapped_is_read_on(site: Site) -> None:
    assert site.blobs.read(site.keep()) == b"content"


def test_a_destroyed_key_unwraps_nothing_any_more(tmp_path: Path, site: Site, database: Database) -> None:
    hers, his = site.keep(site.keys.of(ADA)), site.keep(site.keys.of(BOB))
    names = destroy(site, database, ADA)

    for each in (site, Site(tmp_path, database)):
        with pytest.raises(NotFound):
            each.blobs.read(hers)
        assert each.blobs.read(his) == b"content"
        assert each.keys.names_of(ADA) == []
    assert site.keys.of(ADA).name not in names


def test_nothing_is_entered_under_a_destroyed_key(site: Site, database: Database) -> None:
    ada, bob = site.keys.of(ADA).name, site.keys.of(BOB).name
    destroy(site, database, ADA)

    with database.writing() as connection:
        require_living(connection, {bob, b"name of root key"})
        with pytest.raises(Unavailable, match="send it again"):
            require_living(connection, {ada, bob})


def test_a_database_that_was_lost_learns_the_keys_from_the_objects(
    tmp_path: Path, site: Site, database: Database
) -> None:
    hers, his = site.keep(site.keys.of(ADA)), site.keep(site.keys.of(BOB))
    names = site.keys.names_of(BOB)
    destroy(site, database, ADA)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM account_key")
    found = Site(tmp_path, database)
    with pytest.raises(NotFound):
        found.blobs.read(hers)
    assert found.blobs.read(his) == b"content"
    found.keys.restore()
    found.keys.restore()

    assert found.keys.names_of(BOB) == names
    assert found.keys.names_of(ADA) == []
    assert Site(tmp_path, database).blobs.read(his) == b"content"
    found.blobs.close()


def test_a_database_that_is_older_than_a_destruction_learns_of_it(site: Site, database: Database) -> None:
    site.keep(site.keys.of(ADA))
    site.keys.destroy(site.keys.names_of(ADA))
    site.keys.restore()

    assert site.keys.names_of(ADA) == []


def test_a_key_that_is_nowhere_is_said_to_be_missing(site: Site) -> None:
    location = site.keep(AccountKey(b"n" * 16, b"s" * 32))

    with pytest.raises(Unavailable, match="6e6e6e"):
        site.blobs.read(location)


def test_objects_of_nobody_known_are_their_organizations() -> None:
    assert owner_of(ADA, "south") == ADA
    assert owner_of(PatientId("north", ""), "south") == PatientId("south", "")
