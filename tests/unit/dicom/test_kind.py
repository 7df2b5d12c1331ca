"""What a file is stands in its first bytes."""

import gzip

import pytest

from imagebank.dicom.kind import HEAD, Kind, is_binary_stl, kind_of

_NIFTI = bytes(344) + b"n+1\0" + bytes(8)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"II*\0" + bytes(124) + b"DICM", Kind.DICOM),
        (b"\xff\xd8\xff\xe1", Kind.JPEG),
        (b"\xff\x4f\xff\x51", Kind.JPEG2000),
        (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JPEG2000),
        (b"\x89PNG\r\n\x1a\n", Kind.PNG),
        (b"GIF89a", Kind.GIF),
        (b"MM\0*", Kind.TIFF),
        (b"II+\0", Kind.TIFF),
        (b"BM\x36\0\1\0\0\0\0\0\x36\0\0\0\x28\0\0\0\0", Kind.BMP),
        (b"BMI of the patient: 24.1 kilograms", Kind.UNKNOWN),
        (b"RIFF\x10\0\0\0WEBPVP8 ", Kind.WEBP),
        (b"RIFF\x10\0\0\0AVI LIST", Kind.AVI),
        (b"RIFF\x10\0\0\0WAVEfmt ", Kind.UNKNOWN),
        (b"\0\0\0\x18ftypheic", Kind.HEIC),
        (b"\0\0\0\x18ftypisom", Kind.MP4),
        (b"\0\0\0\x14ftypqt  ", Kind.QUICKTIME),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Kind.QUICKTIME),
        (b"\x1aE\xdf\xa3", Kind.WEBM),
        (b"\0\0\x01\xba", Kind.MPEG),
        ((b"G" + bytes(187)) * 3, Kind.TRANSPORT),
        (b"\n\n%PDF-1.7", Kind.PDF),
        (b"\xef\xbb\xbf<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'>", Kind.CDA),
        (b"a text about ClinicalDocument", Kind.UNKNOWN),
        (_NIFTI, Kind.NIFTI),
        (gzip.compress(_NIFTI), Kind.NIFTI),
        (gzip.compress(b"a letter"), Kind.UNKNOWN),
        (b"\x1f\x8b broken", Kind.UNKNOWN),
        (bytes(16) + b"SCPECG", Kind.SCP_ECG),
        (b"solid jaw\n facet normal 0 0 1\n", Kind.STL),
        (b"# jaw\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", Kind.OBJ),
        (b"a\nb\nc\n", Kind.UNKNOWN),
        (b"", Kind.UNKNOWN),
    ],
)
def test_a_file_is_what_it_begins_with(head: bytes, kind: Kind) -> None:
    assert kind_of(head[:HEAD]) is kind


def test_a_binary_model_is_as_long_as_it_says() -> None:
    model = bytes(80) + (3).to_bytes(4, "little") + bytes(150)

    assert is_binary_stl(model, len(model))
    assert not is_binary_stl(model, len(model) + 1)
    assert not is_binary_stl(b"", 0)
