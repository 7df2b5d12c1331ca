"""Bad input: of each file that cannot be taken there is a reason, its bytes lie in quarantine, and the others come in."""

import gzip
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from bank import SOURCE, open_test_bank
from imagebank.actions import archives, collect, media, quarantine, retrieve, scrub
from imagebank.actions.ingest import Arrival
from imagebank.actions.media import receive
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Outcome, Receipt, Selection
from make import a_file
from make_ecg import a_rhythm, an_aecg, an_scp
from make_heic import a_heic
from make_nifti import a_nifti
from make_pdf import a_pdf, with_a_password, with_a_script
from samples import sample_data

ADMIN = Principal("ada", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
CELLS = np.random.default_rng(3).integers(0, 255, (64, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("bad")) as bank:
        yield bank


def saved(kind: str, **options: object) -> bytes:
    picture = Image.fromarray(CELLS)
    with io.BytesIO() as stream:
        (picture.convert("P") if kind == "GIF" else picture).save(stream, kind, **options)
        return stream.getvalue()


def a_sample(suffix: str) -> bytes:
    return next((sample_data() / "non-dicom").rglob(f"*{suffix}")).read_bytes()


def take(bank: Bank, data: bytes, name: str) -> Receipt:
    """Send a file between two good ones, which come in whatever becomes of it."""
    good = [saved("JPEG", quality=quality) for quality in (60, 70)]
    files = [("one.jpg", good[0]), (name, data), ("other.jpg", good[1])]
    arrivals = [Arrival(io.BytesIO(content), len(content), named) for named, content in files]
    first, receipt, last = receive(bank, arrivals, SOURCE)

    assert first.is_kept
    assert last.is_kept
    return receipt


def is_laid_aside(bank: Bank, receipt: Receipt, data: bytes) -> bool:
    """Whether the bytes lie in quarantine as they came."""
    assert receipt.outcome is Outcome.QUARANTINED
    assert receipt.quarantine is not None
    return b"".join(quarantine.content(bank, receipt.quarantine, ADMIN, is_original=True)) == data


STL = b"solid jaw\nfacet normal 0 0 1\n outer loop\n vertex 0 0 0\n vertex 1 0 0\n vertex 0 1 0\n endloop\nendfacet\nendsolid"
CDA = b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'><id root='1.2.3'/><title>Letter</title></ClinicalDocument>"
WHOLE: dict[str, Callable[[], bytes]] = {
    **{f"x.{kind.lower()}": lambda kind=kind: saved(kind) for kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")},  # type: ignore[misc]
    "x.jp2": lambda: saved("JPEG2000"),
    "x.avif": lambda: saved("AVIF"),
    "x.heic": lambda: a_heic(CELLS),
    "x.mp4": lambda: a_sample(".mp4"),
    "x.avi": lambda: a_sample(".avi"),
    "x.webm": lambda: a_sample(".webm"),
    "x.pdf": lambda: a_sample(".pdf"),
    "x.xml": lambda: CDA,
    "x.stl": lambda: STL,
    "x.scp": lambda: an_scp(a_rhythm()),
    "ecg.xml": lambda: an_aecg(a_rhythm()),
    "x.nii": lambda: a_nifti(CELLS[..., 0].astype("u2")),
    "x.nii.gz": lambda: gzip.compress(a_nifti(CELLS[..., 0].astype("u2"))),
    "x.dcm": a_file,
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_ends_too_early(bank: Bank, name: str) -> None:
    data = WHOLE[name]()
    cut = data[: len(data) * 9 // 10]
    receipt = take(bank, cut, name)

    assert is_laid_aside(bank, receipt, cut)
    assert any(words in str(receipt.error) for words in ("ends", "cannot be read", "no well-formed"))


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_with_a_name_of_another_kind_is_what_it_is(bank: Bank, name: str) -> None:
    data = WHOLE[name]()

    assert take(bank, data, f"{name}.png" if "png" not in name else "x.jpg").is_kept


def png(columns: int, rows: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def tiff(columns: int, rows: int) -> bytes:
    entries = [(256, 4, columns), (257, 4, rows), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 8)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(12)


def gif(columns: int, rows: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", columns, rows) + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + struct.pack(
        "<HH", columns, rows
    ) + b"\0\x02\x02\x4c\x01\0;"  # fmt: skip


def many_pictures() -> bytes:
    shades = [Image.new("L", (8, 8), shade % 251) for shade in range(2100)]
    with io.BytesIO() as stream:
        shades[0].save(stream, "GIF", save_all=True, append_images=shades[1:])
        return stream.getvalue()


def a_huge_one(data: bytes, mark: bytes, at: int, layout: str, *sides: int) -> bytes:
    """The picture with other sides than it has."""
    place = data.index(mark) + at
    size = struct.calcsize(layout)
    return data[:place] + struct.pack(layout, *sides) + data[place + size :]


HUGE: dict[str, Callable[[], bytes]] = {
    "x.png": lambda: png(50_000, 50_000),
    "x.tif": lambda: tiff(50_000, 50_000),
    "x.gif": lambda: gif(65_535, 65_535),
    "many.gif": many_pictures,
    "x.bmp": lambda: a_huge_one(saved("BMP"), b"BM", 18, "<ii", 50_000, 50_000),
    "x.jpg": lambda: a_huge_one(saved("JPEG"), b"\xff\xc0", 5, ">HH", 65_500, 65_500),
    "x.jp2": lambda: a_huge_one(saved("JPEG2000"), b"\xff\x51", 6, ">II", 60_000, 60_000),
    "x.heic": lambda: a_huge_one(a_heic(CELLS), b"ispe", 8, ">II", 60_000, 60_000),
    "x.nii": lambda: a_huge_one(a_nifti(CELLS[..., 0].astype("u2")), b"", 42, "<hhh", 30_000, 30_000, 30_000),
    "x.xml": lambda: (
        b"<!DOCTYPE a [<!ENTITY a 'ha'>"
        + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 99) for n in range(9))
        + b"]><ClinicalDocument xmlns='urn:hl7-org:v3'><id root='1.2.3'/><title>&j;</title></ClinicalDocument>"
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_file_that_asks_for_all_memory(bank: Bank, name: str) -> None:
    data = HUGE[name]()
    receipt = take(bank, data, name)

    assert is_laid_aside(bank, receipt, data)
    assert any(
        words in str(receipt.error)
        for words in ("more than", "damaged", "cannot be", "no well-formed", "ends too early")
    )


OTHERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "letter.pdf": (with_a_password, "password"),
    "text.jpg": (lambda: b"Dear colleague, the picture follows.", r"its name ends in \.jpg, and it is no such file"),
    "sound.avi": (lambda *_: a_sound(), "no video"),
    "report.docx": (lambda: zipped({"word/document.xml": b"<w/>"}), "office program"),
    "jaw.obj": (lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 900\n", "damaged"),
    "nobody.xml": (lambda: b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", "no id"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_is_something_else_or_locked(bank: Bank, name: str) -> None:
    make, words = OTHERS[name]
    data = make()
    receipt = take(bank, data, name)

    assert is_laid_aside(bank, receipt, data)
    assert receipt.error is not None
    assert receipt.error.args[0]
    with pytest.raises(type(receipt.error), match=words):
        raise receipt.error


def a_sound() -> bytes:
    av = pytest.importorskip("av")
    with io.BytesIO() as target:
        with av.open(target, "w", format="avi") as made:
            out = made.add_stream("pcm_s16le", rate=8000, layout="mono")
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = 8000
            made.mux(out.encode(sound))
        return target.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"", "x.jpg"), (b"a note of nothing", "README"), (bytes(CELLS), "x.raw"), (bytes(CELLS), "x.dcm")],
)
def test_what_is_nothing_or_claims_nothing_is_refused_and_not_kept(bank: Bank, data: bytes, name: str) -> None:
    receipt = take(bank, data, name)

    assert receipt.outcome is Outcome.REFUSED
    assert str(receipt.error)


def test_a_page_behind_a_photograph_does_not_get_into_the_object(bank: Bank) -> None:
    photo = saved("JPEG", quality=88)
    receipt = take(bank, photo + b"<html><script>alert(1)</script></html>", "x.jpg")
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ADMIN.scope)
    stored = pydicom.dcmread(io.BytesIO(bank.blobs.read(instance.location)))
    (frame,) = generate_frames(stored.PixelData, number_of_frames=1)

    assert frame.rstrip(b"\0").endswith(photo[-20:])
    original = b"".join(media.original(bank, Selection(instance=receipt.uid), ADMIN)[1])
    assert original.endswith(b"</html>")


def test_a_document_that_is_an_archive_too_is_a_document(bank: Bank) -> None:
    receipt = take(bank, a_pdf() + zipped({"evil.exe": b"MZ"}), "x.pdf")

    assert receipt.is_kept
    assert receipt.sop_class == "1.2.840.10008.5.1.4.1.1.104.1"


def test_an_object_that_begins_as_a_program_is_kept_with_a_warning_and_leaves_without(bank: Bank) -> None:
    receipt = take(bank, b"MZ" + bytes(126) + a_file(SOPInstanceUID="1.2.77")[128:], "x.exe")
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ADMIN.scope)

    assert receipt.is_kept
    assert "program" in " ".join(receipt.warnings)
    assert b"".join(retrieve.harmless(bank, instance.location))[:2] != b"MZ"


def test_a_document_with_a_script_is_kept_as_it_came(bank: Bank) -> None:
    receipt = take(bank, with_a_script(), "x.pdf")

    assert receipt.is_kept
    assert b"".join(media.original(bank, Selection(instance=receipt.uid), ADMIN)[1]) == with_a_script()


def test_whatever_came_nothing_is_lost(bank: Bank) -> None:
    findings = scrub.verify(bank)

    assert findings.is_clean
    assert not findings.orphans


def zipped(entries: dict[str, bytes]) -> bytes:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
        return stream.getvalue()


class _Heard(collect.Tally):
    """A tally that also remembers every receipt."""

    def __init__(self) -> None:
        super().__init__()
        self.receipts: list[Receipt] = []

    def add(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)
        super().add(receipt)


def import_zip(bank: Bank, folder: Path, data: bytes) -> list[Receipt]:
    """What `imagebank import` makes of an archive."""
    (folder / "all.zip").write_bytes(data)
    return import_file(bank, folder, folder / "all.zip")


def import_file(bank: Bank, folder: Path, path: Path) -> list[Receipt]:
    tally = _Heard()
    with closing(collect.Journal(folder / "journal")) as journal:
        collect.bring_in(bank, collect.look([path]), SOURCE, journal, tally)
    return tally.receipts


def told(receipts: list[Receipt]) -> list[tuple[str, Outcome]]:
    return [(one.name.partition("!/")[2], one.outcome) for one in receipts]


def test_names_that_lead_out_of_an_archive_lead_nowhere(bank: Bank, tmp_path: Path) -> None:
    names = ["../../out.jpg", "/etc/out.jpg", "C:\\out.jpg", "a/../../out.jpg"]
    data = zipped({name: saved("JPEG", quality=40 + number) for number, name in enumerate(names)})
    before = set(tmp_path.parent.rglob("*.jpg"))

    assert told(import_zip(bank, tmp_path, data)) == [(name, Outcome.STORED) for name in names]
    assert set(tmp_path.parent.rglob("*.jpg")) == before
    assert not Path("/etc/out.jpg").exists()


def test_a_link_in_an_archive_is_not_followed(bank: Bank, tmp_path: Path) -> None:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            link = zipfile.ZipInfo("passwords.jpg")
            link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
            archive.writestr("a.jpg", saved("JPEG", quality=35))
        data = stream.getvalue()
    receipts = import_zip(bank, tmp_path, data)

    assert told(receipts) == [("passwords.jpg", Outcome.REFUSED), ("a.jpg", Outcome.STORED)]
    assert "no plain file, such as a link" in str(receipts[0].error)


def test_an_archive_with_a_password_lies_in_quarantine_as_a_whole(bank: Bank, tmp_path: Path) -> None:
    data = bytearray(zipped({"a.jpg": saved("JPEG")}))
    # PKWARE 4.4.4: the lowest flag, in the header of the entry and in the directory.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (receipt,) = import_zip(bank, tmp_path, bytes(data))

    assert "password" in str(receipt.error)
    assert is_laid_aside(bank, receipt, bytes(data))


def test_an_archive_in_an_archive_is_not_opened(bank: Bank, tmp_path: Path) -> None:
    inner = zipped({"a.jpg": saved("JPEG")})
    first, other = import_zip(bank, tmp_path, zipped({"in.zip": inner, "b.jpg": saved("JPEG", quality=31)}))

    assert "an archive in an archive" in str(first.error)
    assert is_laid_aside(bank, first, inner)
    assert other.is_kept


def test_a_broken_archive(bank: Bank, tmp_path: Path) -> None:
    data = zipped({"a.jpg": saved("JPEG")})[:-30]
    (receipt,) = import_zip(bank, tmp_path, data)

    assert is_laid_aside(bank, receipt, data)


def test_an_entry_that_expands_beyond_reason(bank: Bank, tmp_path: Path) -> None:
    first, other = import_zip(bank, tmp_path, zipped({"bomb.jpg": bytes(9 << 20), "b.jpg": saved("JPEG", quality=29)}))

    assert "expand more than" in str(first.error)
    assert other.is_kept


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("Müller/Fuß.jpg", "cp437"),
        ("Äb.jpg", "cp437"),
        ("写真テスト.jpg", "cp932"),
        ("胸部/画像１.jpg", "cp932"),
        ("Снимок.jpg", "utf-8"),
        ("müller.jpg", "utf-8"),
        ("plain.jpg", "ascii"),
    ],
)
def test_names_are_read_in_the_coding_that_they_are_in(bank: Bank, tmp_path: Path, name: str, coding: str) -> None:
    raw = name.encode(coding)
    stand_in = "x" * len(raw)
    data = zipped({stand_in: saved("JPEG", quality=20 + len(raw))}).replace(stand_in.encode(), raw)

    assert told(import_zip(bank, tmp_path, data))[0][0] == name


def test_a_name_that_is_in_utf_8_beside_another_one_is_that(bank: Bank, tmp_path: Path) -> None:
    """As Info-ZIP writes it (PKWARE 4.6.9): the coded name in an extra field."""
    raw, name = b"?????.jpg", "写真.jpg"
    info = zipfile.ZipInfo(raw.decode())
    body = b"\1" + struct.pack("<I", zlib.crc32(raw)) + name.encode()
    info.extra = struct.pack("<HH", 0x7075, len(body)) + body
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(info, saved("JPEG", quality=17))
        data = stream.getvalue()

    assert told(import_zip(bank, tmp_path, data))[0][0] in (name, raw.decode())


def test_a_name_that_says_that_it_is_utf_8_is_that(bank: Bank, tmp_path: Path) -> None:
    data = zipped({"Снимок грудной клетки.jpg": saved("JPEG", quality=14)})

    assert told(import_zip(bank, tmp_path, data))[0][0] == "Снимок грудной клетки.jpg"
    assert archives._readable(zipfile.ZipInfo("写真.jpg")) == "写真.jpg"


def test_a_volume_that_comes_compressed_is_kept_as_it_comes(bank: Bank, tmp_path: Path) -> None:
    volume = gzip.compress(a_nifti(CELLS[..., 1].astype("u2")))
    (tmp_path / "brain.nii.gz").write_bytes(volume)
    (receipt,) = import_file(bank, tmp_path, tmp_path / "brain.nii.gz")

    assert b"".join(media.original(bank, Selection(instance=receipt.uid), ADMIN)[1]) == volume


@pytest.mark.slow
def test_an_archive_of_a_hundred_thousand_entries(bank: Bank, tmp_path: Path) -> None:
    data = zipped({f"{number}.txt": b"a note" for number in range(100_000)} | {"last.jpg": saved("JPEG", quality=15)})
    receipts = import_zip(bank, tmp_path, data)

    assert len(receipts) == 100_001
    assert receipts[-1].is_kept
