"""What cameras and programs write into files beside the pixels; where a picture was taken is never read."""

import io
import struct

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from imagebank.dicom.file_words import FileWords, words_of
from imagebank.dicom.kind import HEAD, Kind, kind_of
from imagebank.dicom.sandbox import Sandbox
from samples import sample_data
from unit.pixels.test_document_text import a_pdf

PACKET = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmp:CreateDate="2026-03-01T10:15:00+01:00" tiff:Make="Acme" exif:GPSLatitude="52,30.5N" dc:format="{format}">
<dc:creator><rdf:Seq><rdf:li>Jo Roe</rdf:li></rdf:Seq></dc:creator>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Left knee</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>knee</rdf:li><rdf:li>left</rdf:li></rdf:Bag></dc:subject>
<tiff:Model>Scope 9</tiff:Model></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
SAID = {
    "taken_at": "2026-03-01T10:15:00+01:00",
    "make": "Acme",
    "model": "Scope 9",
    "artist": "Jo Roe",
    "description": "Left knee",
    "keywords": "knee; left",
}


def packet(of: str = "image/jpeg") -> bytes:
    return PACKET.format(format=of).encode()


def words(sandbox: Sandbox, data: bytes) -> FileWords:
    return words_of(sandbox, data, kind_of(data[:HEAD]))


def a_picture(kind: str, **options: object) -> bytes:
    with io.BytesIO() as stream:
        Image.new("RGB", (16, 16)).save(stream, kind, **options)
        return stream.getvalue()


def exif_of_a_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    exif[ExifTags.Base.Model] = "Cam 1"
    exif[ExifTags.Base.ImageDescription] = "Wound\non the left foot"
    exif[ExifTags.Base.Artist] = "Jo Roe"
    exif[ExifTags.Base.XPTitle] = "Füße".encode("utf-16-le") + b"\0\0"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal] = "2026:03:01 10:15:00"
    inner[ExifTags.Base.OffsetTimeOriginal] = "+01:00"
    inner[ExifTags.Base.CameraOwnerName] = "Wound clinic"
    inner[ExifTags.Base.BodySerialNumber] = "S-1"
    inner[ExifTags.Base.UserComment] = b"ASCII\0\0\0second visit"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_what_a_camera_writes_is_read(sandbox: Sandbox, kind: str) -> None:
    exif = words(sandbox, a_picture(kind, exif=exif_of_a_camera())).exif
    expected = {
        "make": "Acme",
        "model": "Cam 1",
        "description": "Wound on the left foot",
        "artist": "Jo Roe",
        "title": "Füße",
        "taken_at": "2026:03:01 10:15:00",
        "offset": "+01:00",
        "owner": "Wound clinic",
        "serial": "S-1",
        "comment": "second visit",
    }
    # Pillow does not write the inner directory of a TIFF.
    of_image = ("make", "model", "description", "artist", "title")

    assert exif == (expected if kind != "TIFF" else {name: expected[name] for name in of_image})


def test_xmp_is_read_in_jpeg_png_and_tiff(sandbox: Sandbox) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet().decode())

    assert words(sandbox, a_picture("JPEG", xmp=packet())).xmp == SAID
    assert words(sandbox, a_picture("PNG", pnginfo=text)).xmp == SAID
    assert words(sandbox, a_picture("TIFF", tiffinfo={700: packet()})).xmp == SAID


def test_xmp_of_a_pdf_is_that_of_the_document(sandbox: Sandbox) -> None:
    pdf = a_pdf("text")
    of_picture = packet().replace(b"Jo Roe", b"Somebody else")
    older = packet("application/pdf").replace(b"Jo Roe", b"Before")

    assert words(sandbox, pdf).xmp == {}
    assert words(sandbox, pdf + older + packet("application/pdf") + of_picture).xmp == SAID
    assert words(sandbox, pdf + of_picture).xmp == {}


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def a_film(*inside: bytes, after: bytes = b"") -> bytes:
    header = box(b"mvhd", bytes(4), struct.pack(">II", 3_855_201_300, 0), bytes(88))
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"mdat", bytes(99)) + box(b"moov", header, *inside) + after


def test_the_head_of_a_film_is_read(sandbox: Sandbox) -> None:
    keys = [b"com.apple.quicktime.creationdate", b"com.apple.quicktime.location.ISO6709", b"com.apple.quicktime.model"]
    listed = box(b"keys", bytes(4), struct.pack(">I", len(keys)), *(box(b"mdta"[:4], key) for key in keys))
    values = [b"2026-03-01T10:15:00+0100", b"+52.5+13.4/", b"Phone 9"]
    items = (box(struct.pack(">I", n), box(b"data", bytes(8), value)) for n, value in enumerate(values, 1))
    meta = box(b"meta", box(b"hdlr", bytes(24)), listed, box(b"ilst", *items))
    user = box(b"udta", box(b"\xa9mak", b"\0\x04\0\0Acme"), box(b"\xa9xyz", b"\0\x04\0\0+52.5"))
    found = words(sandbox, a_film(user, meta, after=box(b"uuid", bytes(16), packet("video/mp4"))))

    assert found.film == {
        "made_at": "2026-03-01T09:15:00+00:00",
        "make": "Acme",
        "taken_at": "2026-03-01T10:15:00+0100",
        "model": "Phone 9",
    }
    assert found.xmp == SAID


@pytest.mark.parametrize(
    "data",
    [
        a_film(box(b"meta", bytes(4), box(b"ilst", box(b"\0\0\0\x09", b"")))),
        box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd")),
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 1 << 40),
        box(b"ftyp", b"isom") + struct.pack(">I4s", 0, b"moov") + struct.pack(">I4s", 3, b"udta"),
        b"\xff\xd8\xff\xe1 broken",
        b"\x89PNG\r\n\x1a\n <x:xmpmeta xmlns:x='a'><b></x:xmpmeta> <x:xmpmeta",
        b"II*\0\xff\xff\xff\xff",
        b"BM",
        b"",
    ],
)
def test_what_is_broken_says_nothing(sandbox: Sandbox, data: bytes) -> None:
    found = words_of(sandbox, data, kind_of(data))

    assert not found.exif
    assert not found.xmp
    assert set(found.film) <= {"made_at"}


def test_the_samples_say_what_they_say(sandbox: Sandbox) -> None:
    folder = sample_data() / "non-dicom"
    photo = words(sandbox, (folder / "jpeg" / "chest-photo-exif-rotated-gps.jpg").read_bytes())

    assert photo.exif == {"changed_at": "2019:05:04 10:11:12", "make": "ACME Camera"}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            words(sandbox, path.read_bytes())


def test_a_kind_without_such_words_is_not_looked_at(sandbox: Sandbox) -> None:
    assert words_of(sandbox, packet(), Kind.BMP) == FileWords()
