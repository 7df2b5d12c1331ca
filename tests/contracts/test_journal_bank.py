"""A bank whose deposits are safe on its node first, and in a real S3 server soon after."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bank import a_token, bearer, free_port, keep, open_test_bank
from contracts.seaweed import Seaweed
from imagebank import worker
from imagebank.actions import compress, journal, reindex, remove, retrieve, scrub, shred
from imagebank.app import take_journal, web_application
from imagebank.bank import Bank
from imagebank.cli.doctor import of_the_bank
from imagebank.dimse.status import OUT_OF_RESOURCES, STORE
from imagebank.errors import Unavailable, status_for
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.settings import SettingsError, load
from make import a_file, read
from running import imagebank
from unit.actions.test_compress import a_slice
from unit.portal.browsing import Browser

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.fixture
def there(seaweed: Seaweed) -> dict[str, Any]:
    """Settings of a journal before a place in the bucket where nothing is yet."""
    return {
        "objects": f"s3://{seaweed.bucket}/{uuid4().hex}",
        "s3_endpoint": seaweed.endpoint,
        "s3_access_key": seaweed.access_key,
        "s3_secret_key": seaweed.secret_key,
        "s3_durability": "journal",
        "compress_min_bytes": 1,
    }


@pytest.fixture
def away(there: dict[str, Any]) -> dict[str, Any]:
    """The same while nobody listens there."""
    return {**there, "s3_endpoint": f"http://127.0.0.1:{free_port()}"}


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), ALL)


def files(bank: Bank) -> list[bytes]:
    return sorted(b"".join(retrieve.stored(bank, one)) for one in held(bank))


def upload(bank: Bank) -> None:
    """As a worker does, once the five seconds are over."""
    assert bank.journal is not None
    bank.journal.finish()  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(journal, "_PAUSE_S", 0.01)
        with worker.uploading(bank):
            until = time.monotonic() + 60
            while waiting(bank) and time.monotonic() < until:
                time.sleep(0.02)


def waiting(bank: Bank) -> int:
    assert bank.journal is not None
    return bank.journal.unuploaded().octets


def test_a_deposit_is_kept_uploaded_compressed_deleted_and_rebuilt(tmp_path: Path, there: dict[str, Any]) -> None:
    slices, gone, shredded = [a_slice(), a_slice(frames=3)], a_file(), a_file(PatientID="SHREDDED")
    with open_test_bank(tmp_path, **there) as bank:
        keep(bank, *slices, gone, shredded)
        before, waited = files(bank), waiting(bank)
        upload(bank)
        uploaded = files(bank), waiting(bank)
        assert journal.complaint(bank) == ""
        assert compress.step(bank, 0, older_than=timedelta(), grace=timedelta()).done == 4
        remove.remove(bank, Selection(study=Uid(read(gone).StudyInstanceUID)), KEEPER)
        later = replace(bank, now=lambda: bank.now() + timedelta(days=2))
        while worker.step(later, {"destroy": remove.destroy_job}):
            pass
        shred.shred(bank, PatientId("local", "SHREDDED"), KEEPER)
        living = {one.location for one in bank.blobs.records() if one.note is not None}
        late = a_file()
        keep(bank, late)
        half = waiting(bank)
        findings = scrub.verify(bank)
    (tmp_path / "bank" / "index.db").unlink()
    with open_test_bank(tmp_path, **there) as bank:
        reindex.reindex(bank)
        rebuilt = files(bank), scrub.verify(bank).is_clean
        upload(bank)
        after = files(bank), waiting(bank)
    take_away(tmp_path / "bank" / "journal")
    with open_test_bank(tmp_path, **there) as bank:
        alone = files(bank)

    assert waited > 0
    assert (before, before) == (sorted([*slices, gone, shredded]), uploaded[0])
    assert uploaded[1] == 0
    assert half > 0
    assert len(living) == len(slices) + 1  # and what tells that an object was deleted
    assert findings.is_clean
    assert rebuilt == (sorted([*slices, late]), True)
    assert after == (rebuilt[0], 0)
    assert alone == rebuilt[0]


def take_away(folder: Path) -> None:
    """Copies go, as they do when there is no room."""
    for path in folder.glob("copies/*/*.seg"):
        path.unlink()


def test_while_the_bucket_is_away_deposits_go_on_up_to_the_limit(
    tmp_path: Path, there: dict[str, Any], away: dict[str, Any]
) -> None:
    first, late = a_file(), a_file()
    with open_test_bank(tmp_path, **there) as bank:
        keep(bank, first)
    with open_test_bank(tmp_path, **away, s3_journal_bytes=200_000) as bank:
        more = [a_file(PatientID="MORE", rows=256, columns=256) for _ in range(2)]
        keep(bank, *more)
        bank.journal._looked_s = float("-inf")  # type: ignore[union-attr] # the second that it looks at is over
        with pytest.raises(Unavailable, match="send again") as refused:
            keep(bank, late)
        http, token = Browser(web_application(bank)), bearer(a_token(bank))
        answer = http.ask("POST", "/api/v1/deposits", token, files={"file": ("a.dcm", late)})
        ready = http.get("/readyz")
        told = http.get("/metrics", token).text.splitlines()
        found = list(islice(of_the_bank(bank), 2))
        kept = files(bank)
    with open_test_bank(tmp_path, **there, s3_journal_bytes=200_000) as bank:
        upload(bank)
        keep(bank, late)
        recovered = files(bank)

    assert status_for(refused.value, STORE, 0) == OUT_OF_RESOURCES
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")
    assert "see that the object store answers" in answer.text
    assert ready.status_code == 200
    assert "were not uploaded to the object store yet" in ready.json()["degraded"]
    assert 'imagebank_s3_durability{mode="journal"} 1' in told
    assert "imagebank_unuploaded_limit_bytes 200000" in told
    (octets,) = (int(line.split()[1]) for line in told if line.startswith("imagebank_unuploaded_bytes "))
    assert octets > 200_000
    assert any(line.startswith("imagebank_unuploaded_oldest_seconds ") for line in told)
    assert [(one.check, one.is_weak) for one in found] == [("journal", True), ("journal", False)]
    assert kept == sorted([first, *more])
    assert recovered == sorted([first, *more, late])


@pytest.fixture
def shared(tmp_path: Path, there: dict[str, Any]) -> dict[str, Any]:
    """A bank with one deposit that was not uploaded, whose database and root key other nodes have, too."""
    with open_test_bank(tmp_path, **there) as bank:
        keep(bank, a_file())
    return {**there, "root_key_file": tmp_path / "bank" / "root.key"}


def another_node(tmp_path: Path) -> Path:
    """A folder of another node, on the same database."""
    folder = tmp_path / "other" / "bank"
    folder.mkdir(parents=True)
    (folder / "index.db").symlink_to(tmp_path / "bank" / "index.db")
    return folder.parent


def test_one_node_keeps_the_journal_and_others_are_refused(tmp_path: Path, shared: dict[str, Any]) -> None:
    other = another_node(tmp_path)
    by_objects = {**shared, "s3_durability": "object"}
    for given, words in ((shared, "another node keeps the journal"), (by_objects, "another node keeps a journal")):
        with pytest.raises(SettingsError, match=words), open_test_bank(other, **given):
            pass
    with pytest.raises(SettingsError, match="not all of it was uploaded"), open_test_bank(tmp_path, **by_objects):
        pass
    with open_test_bank(tmp_path, **shared) as bank:
        upload(bank)
        with pytest.raises(SettingsError, match="all have to have the same"), open_test_bank(tmp_path, **by_objects):
            pass
    with open_test_bank(tmp_path, **by_objects) as bank:
        assert len(files(bank)) == 1
        assert bank.journal is None
        assert journal.complaint(bank) == ""
        journal.keep_uploading(bank, threading.Event())
        told = Browser(web_application(bank)).get("/metrics", bearer(a_token(bank))).text
    with open_test_bank(other, **by_objects) as bank:
        assert len(files(bank)) == 1

    assert 'imagebank_s3_durability{mode="object"} 1' in told
    assert "imagebank_unuploaded_bytes 0" in told


def test_another_node_takes_the_journal_of_a_lost_disk(tmp_path: Path, shared: dict[str, Any]) -> None:
    other = another_node(tmp_path)
    take_journal(load(environ={}, data=other / "bank", **shared))
    with pytest.raises(SettingsError, match="another node"), open_test_bank(tmp_path, **shared):
        pass
    with open_test_bank(other, **shared) as bank:
        reindex.reindex(bank)
        assert files(bank) == []


def test_uploading_is_tried_again_whatever_went_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop, tries = threading.Event(), []

    class Broken:
        def upload(self) -> int:
            tries.append(1)
            if len(tries) == 2:
                stop.set()
            raise OSError("a disk that fails")

    with open_test_bank(tmp_path) as bank, pytest.MonkeyPatch.context() as quick:
        quick.setattr(journal, "_PAUSE_S", 0.001)
        journal.keep_uploading(replace(bank, journal=Broken()), stop)  # type: ignore[arg-type]

    assert len(tries) == 2
    assert "it is tried again" in caplog.text


def test_commands_tell_what_waits_upload_it_and_take_the_journal(tmp_path: Path, shared: dict[str, Any]) -> None:
    environ = {f"IMAGEBANK_{name.upper()}": str(value) for name, value in shared.items()}
    by_objects = {**environ, "IMAGEBANK_S3_DURABILITY": "object"}

    def said(command: str, node: Path, *more: str, given: dict[str, str] = environ) -> tuple[int, str]:
        told = imagebank("journal", command, "--data", node / "bank", *more, environ=given)
        return told.status, told.out + told.err

    other = another_node(tmp_path)
    before, refused = said("status", tmp_path), said("status", other)
    unsure, uploaded, after = said("take", other), said("upload", tmp_path), said("status", tmp_path)
    taken = said("take", other, "--yes")
    gone, here = said("status", tmp_path), said("status", other)

    assert before[0] == 0
    assert "bytes wait for the object store, of 10,737,418,240 that may; the oldest since" in before[1]
    assert "0 bytes wait" in after[1]
    assert (refused[0], gone[0], unsure[0]) == (2, 2, 2)
    assert "imagebank journal take" in refused[1]
    assert "repeat it with --yes" in unsure[1]
    assert uploaded[0] == 0
    assert uploaded[1].endswith("segments were uploaded; nothing waits\n")
    assert taken[0] == here[0] == 0
    assert said("take", other, "--yes", given=by_objects)[0] == said("upload", other, given=by_objects)[0] == 2
    assert "an object is answered for once it is where it stays" in said("status", other, given=by_objects)[1]


def test_a_journal_is_for_objects_in_s3(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="about objects in S3"), open_test_bank(tmp_path, s3_durability="journal"):
        pass
