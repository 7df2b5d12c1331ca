"""A bank whose objects are in a real S3 server."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest

from bank import keep, open_test_bank
from contracts.seaweed import Seaweed
from contracts.test_blobs_s3 import store_of
from imagebank.actions import compress, retrieve
from imagebank.bank import Bank
from imagebank.bench.footprint import bytes_at_rest
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from unit.actions.test_compress import a_slice

ALL = Scope(organizations=None)


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
    files = [a_slice(512, StudyInstanceUID="2.25.7", InstanceNumber=n) for n in range(8)]
    with open_test_bank(tmp_path, **there) as bank:
        keep(bank, *files[:5])  # they share an object of the bucket
        for file in files[5:]:
            keep(bank, file)
        seaweed.tidy()
        before, taken = packs(seaweed, prefix), bytes_at_rest([seaweed.folder])
        found = compress.step(bank, 0, older_than=timedelta(), grace=timedelta())
        after = packs(seaweed, prefix)
        seaweed.tidy()

        assert found.done == len(files)
        assert not before.keys() & after.keys()
        assert sum(after.values()) < sum(before.values()) / 2
        assert taken - bytes_at_rest([seaweed.folder]) > (sum(before.values()) - sum(after.values())) / 2
        assert sorted(b"".join(retrieve.stored(bank, one)) for one in held(bank)) == sorted(files)
