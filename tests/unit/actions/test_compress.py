"""Native pixels kept as HTJ2K at rest: every byte comes back, and nothing goes that is not proven."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import imagecodecs
import numpy as np
import pytest
import zstandard

from bank import a_token, bearer, keep, open_test_bank
from imagebank.actions import compress, ingest, reindex, remove, retrieve, scrub
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.dicom import transcode
from imagebank.dicom.compress import restored
from imagebank.dicom.layout import EXPLICIT, HTJ2K, HTJ2K_RPCL, RLE
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.compression import Coding
from imagebank.model.imaging import Instance, Location, Selection, Source
from imagebank.ports import Job
from imagebank.storage.compressed import CompressedBlobs
from make import a_dataset, a_file, as_file, read
from unit.portal.browsing import Browser

HERE = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], HERE)
NOW = timedelta()


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, compress_after_days=0, compress_min_bytes=4096) as opened:
        yield opened


def smooth(rows: int, columns: int, frames: int = 1, kind: str = "<i2") -> bytes:
    """A picture that changes slowly, as anatomy does, with some noise."""
    noise = np.random.default_rng(7)
    y, x = np.mgrid[0:rows, 0:columns]
    base = 300 * np.sin(y / 19) * np.cos(x / 23)
    pictures = [base + 10 * number + noise.integers(0, 4, (rows, columns)) for number in range(frames)]
    return np.stack(pictures).astype(kind).tobytes()


def a_slice(rows: int = 128, frames: int = 1, **attributes: Any) -> bytes:
    """A CT slice of signed 16 bits, or a loop of such frames."""
    given = {
        "PixelData": smooth(rows, rows, frames), "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 1, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        **({"NumberOfFrames": frames} if frames > 1 else {}), **attributes,
    }  # fmt: skip
    return as_file(a_dataset(rows=rows, columns=rows, **given))


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), HERE)


def run(bank: Bank, grace: timedelta = NOW) -> int:
    found, done = compress.step(bank, 0, older_than=NOW, grace=grace), 0
    while True:
        done += found.done
        if found.is_all:
            return done
        found = compress.step(bank, found.last, older_than=NOW, grace=grace)


def test_every_byte_comes_back(bank: Bank) -> None:
    files = [a_slice(), a_slice(frames=5), a_slice(SpecificCharacterSet="ISO_IR 192")]
    keep(bank, *files)
    assert run(bank) == len(files)
    assert sorted(b"".join(retrieve.stored(bank, one)) for one in held(bank)) == sorted(files)
    assert all(bank.blobs.is_compressed(one.location) for one in held(bank))
    findings = scrub.verify(bank)
    assert findings.is_clean
    assert (findings.checked, findings.orphans) == (len(files), [])
    saved = bank.index.compression.saved()
    assert (saved.objects, saved.came) == (len(files), sum(map(len, files)))
    assert saved.takes < saved.came / 2


def test_a_viewer_has_the_frame_as_it_is_kept(bank: Bank) -> None:
    keep(bank, a_slice(frames=3))
    before = retrieve.frame(bank, held(bank)[0], 2)
    assert not retrieve.is_kept_as_htj2k(bank, held(bank)[0])
    run(bank)
    (instance,) = held(bank)
    assert retrieve.is_kept_as_htj2k(bank, instance)
    (coded,) = retrieve.frames_in(bank, instance, [2], HTJ2K_RPCL)
    assert coded.startswith(b"\xff\x4f\xff\x51")
    assert len(coded) < len(before) / 2
    assert retrieve.frame(bank, instance, 2) == before
    assert bank.blobs.coding(instance.location, 0, 10) is None
    assert imagecodecs.htj2k_decode(coded).astype("<i2").tobytes() == before


@pytest.mark.parametrize(
    "given",
    [
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 1},
        {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31},
    ],
    ids=["planes of colours", "cells of 32 bits"],
)
def test_what_htj2k_would_not_give_back_is_kept_by_zstandard_where_it_helps(bank: Bank, given: dict[str, Any]) -> None:
    keep(bank, repeating(given))
    assert run(bank) == 1
    (after,) = held(bank)
    assert not retrieve.is_kept_as_htj2k(bank, after)
    assert bank.blobs.is_compressed(after.location)
    assert scrub.verify(bank).is_clean


def test_a_frame_that_is_kept_by_zstandard_is_coded_for_whoever_wants_htj2k(bank: Bank) -> None:
    planes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 1}
    keep(bank, repeating(planes))
    run(bank)
    (coded,) = retrieve.frames_in(bank, held(bank)[0], [1], HTJ2K_RPCL)
    assert coded.startswith(b"\xff\x4f\xff\x51")


def repeating(given: dict[str, Any]) -> bytes:
    """A picture whose cells repeat, so that any coding makes it smaller."""
    cells = np.tile(np.arange(64), (128, 2))
    samples, bits = given.get("SamplesPerPixel", 1), 8 if "SamplesPerPixel" in given else given["BitsAllocated"]
    data = np.stack([cells] * samples).astype(f"<u{bits // 8}").tobytes()
    layout = {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": 0}
    return a_slice(PixelData=data, **layout | given)


def test_what_does_not_come_back_bit_by_bit_stays_as_it_came(bank: Bank) -> None:
    keep(bank, a_slice())
    (before,) = held(bank)
    store = cast("Any", bank.blobs)._store

    def lying(how: bytes, coding: Coding, coded: bytes, size: int) -> bytes:
        plain = restored(bank.sandbox, how, coding, coded, size)
        return plain if coding is Coding.ZSTD else plain[:-1] + bytes([plain[-1] ^ 1])

    liar = replace(bank, blobs=CompressedBlobs(store, lying))
    assert run(liar) == 0
    assert held(bank) == [before]
    assert scrub.verify(bank).orphans == []


def test_noise_stays_as_it_came(bank: Bank) -> None:
    noise = np.random.default_rng(3).integers(0, 1 << 16, 128 * 128, dtype="<u2").tobytes()
    keep(bank, a_slice(PixelData=noise, PixelRepresentation=0))
    before = held(bank)
    assert run(bank) == 0
    assert held(bank) == before
    assert run(bank) == 0


def test_what_is_compressed_already_or_has_no_pixels_is_passed_over(bank: Bank) -> None:
    keep(bank, a_slice(), a_file(), transcode.transcode(bank.sandbox, a_slice(), RLE))
    assert run(bank) == 1
    after = held(bank)
    assert run(bank) == 0
    assert held(bank) == after


def test_a_layout_that_cannot_be_is_passed_over(bank: Bank) -> None:
    keep(bank, a_slice(BitsAllocated=16, BitsStored=40, HighBit=39))
    assert run(bank) == 0


@pytest.mark.parametrize(
    ("policy", "done"),
    [
        ({"compress_modalities": ("MR",)}, 0),
        ({"compress_modalities": ("MR", "CT")}, 1),
        ({"compress_min_bytes": 1 << 20}, 0),
    ],
)
def test_the_site_says_what_is_compressed(tmp_path: Path, policy: dict[str, Any], done: int) -> None:
    with open_test_bank(tmp_path, **{"compress_min_bytes": 4096, **policy}) as bank:
        keep(bank, a_slice(Modality="CT"))
        assert run(bank) == done


def test_the_young_are_waited_for(bank: Bank) -> None:
    keep(bank, a_slice())
    found = compress.step(bank, 0, older_than=timedelta(days=1))
    assert (found.last, found.seen, found.is_all) == (0, 0, True)


def test_many_are_done_in_steps(bank: Bank) -> None:
    keep(bank, *(a_slice(rows=64) for _ in range(17)))
    first = compress.step(bank, 0, older_than=NOW)
    assert (first.seen, first.done, first.is_all) == (16, 16, False)
    rest = compress.step(bank, first.last, older_than=NOW)
    assert (rest.seen, rest.done, rest.is_all) == (1, 1, True)


def test_a_step_holds_no_more_than_some_bytes(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compress, "_AT_ONCE_BYTES", 1)
    keep(bank, a_slice(), a_slice())
    first = compress.step(bank, 0, older_than=NOW)
    assert (first.seen, first.is_all) == (1, False)


def jobs(bank: Bank, kind: str) -> list[Job]:
    """The jobs of a kind, whenever they are due; they are taken."""
    later = bank.now() + timedelta(days=2)
    found: list[Job] = []
    while job := bank.jobs.claim([kind], later, 0.0 if found else 600.0):
        if job.id in [one.id for one in found]:
            break
        found.append(job)
    return found


def test_the_job_goes_on_where_it_was_and_waits_at_the_end(bank: Bank) -> None:
    keep(bank, a_slice())
    compress.go_on(bank)
    compress.go_on(bank)
    (job,) = jobs(bank, compress.JOB)
    compress.compress_job(bank, job.payload)
    bank.jobs.finish(job)
    compress.go_on(bank)
    assert bank.jobs.claim([compress.JOB], bank.now(), 600.0) is None
    (job,) = jobs(bank, compress.JOB)
    assert job.payload["after"] > 0
    assert bank.index.compression.saved().objects == 1


def test_the_job_lets_others_have_their_turn(bank: Bank) -> None:
    keep(bank, *(a_slice(rows=64) for _ in range(17)))
    ticks = iter(range(0, 1000, 10))
    compress.compress_job(bank, {"after": 0}, clock=lambda: float(next(ticks)))
    assert bank.index.compression.saved().objects == 0
    (job,) = jobs(bank, compress.JOB)
    assert job.payload == {"after": 0}


def test_a_site_may_say_never(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, compress_after_days=-1) as bank:
        compress.go_on(bank)
        compress.compress_job(bank, {"after": 0})
        assert jobs(bank, compress.JOB) == []


def test_the_record_as_it_came_stays_for_whoever_reads_it(bank: Bank) -> None:
    file = a_slice()
    keep(bank, file)
    (before,) = held(bank)
    assert run(bank, compress.GRACE) == 1
    assert b"".join(bank.blobs.stream(before.location)) == file
    (job,) = jobs(bank, "destroy")
    remove.destroy_job(bank, job.payload)
    with pytest.raises(NotFound):
        bank.blobs.read(before.location)
    assert scrub.verify(bank).is_clean


def test_a_removed_object_takes_the_record_as_it_came_with_it(bank: Bank) -> None:
    keep(bank, a_slice())
    (before,) = held(bank)
    run(bank, compress.GRACE)
    (after,) = held(bank)
    remove.take_out(bank, Selection(study=before.study), HERE, KEEPER)
    for location in (before.location, after.location):
        with pytest.raises(NotFound):
            bank.blobs.read(location)
    for job in jobs(bank, "destroy"):
        remove.destroy_job(bank, job.payload)


def test_an_object_that_goes_meanwhile_is_left_alone(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(bank, a_slice())
    (before,) = held(bank)
    prove = scrub.fault_at

    def removed_meanwhile(bank: Bank, location: Location) -> str:
        remove.take_out(bank, Selection(study=before.study), HERE, KEEPER)
        return prove(bank, location)

    monkeypatch.setattr(scrub, "fault_at", removed_meanwhile)
    assert run(bank) == 0
    assert held(bank) == []
    assert scrub.verify(bank).orphans == []


def test_a_rebuild_finds_compressed_objects(bank: Bank) -> None:
    file = a_slice()
    keep(bank, file, a_file())
    run(bank)
    before = {one.uid: one for one in held(bank)}
    rebuilt = reindex.reindex(bank)
    assert (rebuilt.objects, rebuilt.unreadable) == (2, [])
    assert {one.uid: one for one in held(bank)} == before
    assert scrub.verify(bank).is_clean


def test_a_rebuild_takes_the_record_as_it_came_while_it_is_there(bank: Bank) -> None:
    keep(bank, a_slice())
    (before,) = held(bank)
    run(bank, compress.GRACE)
    assert reindex.reindex(bank).objects == 1
    assert held(bank) == [before]
    assert run(bank) == 1
    assert scrub.verify(bank).is_clean


def test_what_was_decided_about_an_object_holds_for_its_compressed_record(bank: Bank) -> None:
    own = a_slice()
    keep(bank, own)
    joining = read(a_slice())
    joining.StudyInstanceUID = read(own).StudyInstanceUID
    guest = as_file(joining)
    arrival = ingest.Arrival(io.BytesIO(guest), len(guest))
    (receipt,) = ingest.receive(bank, [arrival], Source("import", "tester", "south"), sees=HERE)
    assert receipt.is_kept
    before = {one.uid for one in held(bank)}
    assert run(bank) == len(before) == 2
    reindex.reindex(bank)
    assert {one.uid for one in held(bank)} == before


def test_a_damaged_part_is_told_as_damage(bank: Bank) -> None:
    keep(bank, a_slice())
    run(bank)
    (instance,) = held(bank)
    store = cast("Any", bank.blobs)._store

    def torn(*_: Any) -> bytes:
        raise Invalid("a compressed part of the object cannot be read")

    with pytest.raises(Invalid, match="damaged"):
        CompressedBlobs(store, torn).read(instance.location)
    with pytest.raises(Invalid, match="damaged"):
        bank.blobs.read(replace(instance.location, size=instance.location.size + 1))
    with pytest.raises(Invalid, match="cannot be read"):
        restored(bank.sandbox, b"", Coding.ZSTD, b"no frame", 8)
    with pytest.raises(Invalid, match="another size"):
        restored(bank.sandbox, b"", Coding.ZSTD, zstandard.compress(b"four"), 8)


def test_the_room_of_what_went_is_free(bank: Bank) -> None:
    keep(bank, *(a_slice(rows=512) for _ in range(4)))
    folder = bank.settings.data / "objects"

    def blocks() -> int:
        return sum(path.stat().st_blocks for path in folder.rglob("*.seg"))

    before = blocks()
    run(bank)
    assert blocks() < before * 0.6


@pytest.mark.parametrize(
    ("accept", "kind", "syntax"),
    [
        ("multipart/related; type=image/jphc", "image/jphc", HTJ2K),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', "image/jphc", HTJ2K),
        ("multipart/related; type=application/octet-stream", "application/octet-stream", EXPLICIT),
        ("*/*", "application/octet-stream", EXPLICIT),
        ("application/octet-stream", "application/octet-stream", EXPLICIT),
    ],
)
def test_frames_go_out_as_they_are_kept_to_whoever_takes_that(
    compressed_bank: Bank, accept: str, kind: str, syntax: str
) -> None:
    (instance,) = held(compressed_bank)
    where = f"/dicom-web/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}/frames/2"
    browser = Browser(web_application(compressed_bank))
    answer = browser.get(where, bearer(a_token(compressed_bank)) | {"accept": accept})
    assert answer.status_code == 200
    assert f"{kind}; transfer-syntax={syntax}" in (
        answer.headers["content-type"] + answer.content[:300].decode("latin-1")
    )
    body = answer.content
    if syntax == HTJ2K:
        start = body.index(b"\xff\x4f\xff\x51")
        body = imagecodecs.htj2k_decode(body[start : body.rindex(b"\xff\xd9") + 2]).astype("<i2").tobytes()
    assert retrieve.frame(compressed_bank, instance, 2) in body


@pytest.fixture(scope="module")
def compressed_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A bank with one loop of three frames, compressed."""
    with open_test_bank(tmp_path_factory.mktemp("compressed"), compress_min_bytes=4096) as opened:
        keep(opened, a_slice(frames=3))
        assert run(opened) == 1
        yield opened
