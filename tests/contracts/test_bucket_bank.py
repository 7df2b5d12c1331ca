"""A bank whose objects are in a real S3 server."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest

from bank import a_token, bearer, keep, open_test_bank
from contracts.seaweed import Seaweed
from contracts.test_blobs_s3 import store_of
from imagebank.actions import compress, remove, retrieve, scrub, shred
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.bench.footprint import bytes_at_rest
from imagebank.cli.doctor import of_the_bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file, read
from unit.actions.test_compress import a_slice
from unit.portal.browsing import Browser

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.fixture
def prefix() -> str:
    """A place in the bucket where nothing is yet."""
    return uuid4().hex


@pytest.fixture
def there(seaweed: Seaweed, prefix: str) -> dict[str, Any]:
    """A bank's settings for it."""
    return {
        "objects": f"s3://{seaweed.bucket}/{prefix}",
        "s3_endpoint": seaweed.endpoint,
        "s3_access_key": seaweed.access_key,
        "s3_secret_key": seaweed.secret_key,
        "compress_min_bytes": 1,
    }


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), ALL)


def packs(server: Seaweed, prefix: str) -> dict[str, int]:
    """Names and bytes of the objects that hold records of objects."""
    store, _ = store_of(server)
    listed = obstore.list(store, f"{prefix}/segments")
    return {str(meta["path"]): int(meta["size"]) for batch in listed for meta in batch}


def test_a_compression_gives_the_room_of_what_came_back(
    tmp_path: Path, seaweed: Seaweed, prefix: str, there: dict[str, Any]
) -> None:
    slices = [a_slice(512, StudyInstanceUID="2.25.7", InstanceNumber=n) for n in range(5)]
    with open_test_bank(tmp_path, **there) as bank:
        keep(bank, *slices[:3])  # they share an object of the bucket
        for file in slices[3:]:
            keep(bank, file)
        seaweed.tidy(garbage=0.0001)
        before, taken = packs(seaweed, prefix), bytes_at_rest([seaweed.folder])
        found = compress.step(bank, 0, older_than=timedelta(), grace=timedelta())
        after, copied = packs(seaweed, prefix), bank.copies and bank.copies.told().octets
        spared = sum(before.values()) - sum(after.values())
        # Other tests keep theirs in the same volumes, and the server strikes out what was deleted in its own time.
        for _ in range(10):
            seaweed.tidy(garbage=0.0001)
            if taken - bytes_at_rest([seaweed.folder]) > spared / 2:
                break

        assert found.done == len(slices)
        assert not before.keys() & after.keys()
        assert copied == 0
        assert sum(after.values()) < sum(before.values()) / 2
        assert taken - bytes_at_rest([seaweed.folder]) > spared / 2
        assert files(bank) == sorted(slices)


def test_copies_spare_requests_and_give_nothing_that_is_gone(
    tmp_path: Path, seaweed: Seaweed, prefix: str, there: dict[str, Any]
) -> None:
    gone, shredded, left = a_file(), a_file(PatientID="SHREDDED"), a_file(PatientID="LEFT")
    studies = [str(read(file).StudyInstanceUID) for file in (gone, shredded, left)]
    store, _ = store_of(seaweed)
    with open_test_bank(tmp_path, **there) as bank:
        http, token = Browser(web_application(bank)), bearer(a_token(bank))
        keep(bank, gone, shredded, left)  # they share an object of the bucket

        def asked() -> list[int]:
            return [http.get(f"/dicom-web/studies/{study}", token).status_code for study in studies]

        before, told = asked(), http.get("/metrics", token).text.splitlines()
        found = [one for one in of_the_bank(bank) if one.check == "copies"]
        remove.remove(bank, Selection(study=Uid(studies[0])), KEEPER)
        deleted = asked()
        shred.shred(bank, PatientId("local", "SHREDDED"), KEEPER)
        after, clean = asked(), scrub.verify(bank).is_clean
        (instance,) = held(bank)
        path = f"{prefix}/segments/{instance.location.segment}"
        whole = bytes(obstore.get(store, path).bytes())
        at = instance.location.offset + 1000
        obstore.put(store, path, whole[:at] + bytes(8) + whole[at + 8 :])
        damaged = scrub.verify(bank).damaged, files(bank)

    numbers = {line.split()[0]: float(line.split()[1]) for line in told if line.startswith("imagebank_s3_copies")}
    assert before == [200, 200, 200]
    assert numbers["imagebank_s3_copies_hits"] >= 3
    assert numbers["imagebank_s3_copies_misses"] == 0
    assert 0 < numbers["imagebank_s3_copies_bytes"] < numbers["imagebank_s3_copies_limit_bytes"] == 4 << 30
    assert [one.is_weak for one in found] == [False]
    assert deleted == [404, 200, 200]
    assert after == [404, 404, 200]
    assert clean
    assert len(damaged[0]) == 1, "what the bucket has is verified, not the copy"
    assert damaged[1] == [left]


def files(bank: Bank) -> list[bytes]:
    return sorted(b"".join(retrieve.stored(bank, one)) for one in held(bank))


def test_without_room_for_copies_all_is_asked_of_the_bucket(tmp_path: Path, there: dict[str, Any]) -> None:
    with open_test_bank(tmp_path, **there, s3_copies_bytes=0) as bank:
        file = a_file()
        keep(bank, file)
        found = [one for one in of_the_bank(bank) if one.check == "copies"]

        assert files(bank) == [file]
        assert bank.copies is None
        assert "each read is a request" in found[0].words
        assert not (tmp_path / "bank" / "copies").exists()


def test_a_study_that_is_read_as_a_whole_is_fetched_ahead(tmp_path: Path, there: dict[str, Any]) -> None:
    slices = [a_file(StudyInstanceUID="2.25.9", InstanceNumber=number) for number in range(20)]
    with open_test_bank(tmp_path, **there) as bank:
        keep(bank, *slices)
        shutil.rmtree(tmp_path / "bank" / "copies")
        given = sorted(b"".join(retrieve.stored(bank, one)) for one in retrieve.in_turn(bank, held(bank)))

        assert given == sorted(slices)
        assert bank.copies is not None
        assert (bank.copies.told().hits, bank.copies.told().misses) == (20, 0)
