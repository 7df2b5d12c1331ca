"""Every character set of DICOM, with code extensions and without."""

import pytest

from imagebank.dicom.charset import decode, encodings
from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.scan import scan
from samples import sample_data

# PS3.5 annexes H, I, J and K give these as examples.
EXAMPLES = [
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    ("ISO_IR 101", "Wałęsa^Łucja".encode("iso8859_2"), "Wałęsa^Łucja"),
    ("ISO_IR 126", "Διονυσιος".encode("iso8859_7"), "Διονυσιος"),
    ("ISO_IR 127", "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה".encode("iso8859_8"), "שרון^דבורה"),
    ("ISO_IR 144", "Дмитрий".encode("iso8859_5"), "Дмитрий"),
    ("ISO_IR 148", "Çavuşoğlu".encode("iso8859_9"), "Çavuşoğlu"),
    ("ISO_IR 166", "สมชาย".encode("iso8859_11"), "สมชาย"),
    ("ISO_IR 203", "Œuvre€".encode("iso8859_15"), "Œuvre€"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
    ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    ("GBK", "王^小东".encode("gbk"), "王^小东"),
    ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1", "Zhang=张^小"),
    ("\\ISO 2022 IR 159", b'\x1b$(D0!0"\x1b(B', "丂丄"),
    ("ISO 2022 IR 6\\ISO 2022 IR 144", b"Ivan=\x1b-L\xb4\xdc", "Ivan=Дм"),
    # A line end or a delimiter brings the first character set back.
    ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L\xb4\xdc^\xe9", "Дм^é"),
    # Here a writer forgot the second escape; the default repertoire has no such bytes.
    ("\\ISO 2022 IR 144", b"\x1b-L\xb4\xdc^\xb4", "Дм^Д"),
]


@pytest.mark.parametrize(("charset", "value", "text"), EXAMPLES)
def test_text_is_read_in_its_character_set(charset: str, value: bytes, text: str) -> None:
    names, warning = encodings(charset)

    assert decode(value, names, is_name=True) == (text, True)
    assert warning == ""


@pytest.mark.parametrize(
    "charset", ["ISO-IR 100", "ISO IR 100", "iso_ir 100", "ISO_IR_100", "ISO 2022 IR 100", " ISO_IR 100 "]
)
def test_common_misspellings_are_understood(charset: str) -> None:
    assert encodings(charset) == (("latin-1",), "")


def test_a_character_set_that_does_not_exist_is_told() -> None:
    names, warning = encodings("KLINGON")

    assert decode(b"\xe9", names) == ("é", True)
    assert "not one of DICOM's" in warning


def test_utf8_stands_alone() -> None:
    assert encodings("ISO_IR 192\\ISO 2022 IR 87")[0] == ("utf-8",)
    assert encodings("ISO 2022 IR 6\\ISO_IR 192\\ISO 2022 IR 87")[0] == ("iso8859", "iso2022_jp")


@pytest.mark.parametrize("value", [b"\xff\xfe\xfd", b"\x1b", b"\x1bxyz", b"\x1b$B\xff", b"\x1b$)C\xb1", b"a\x1b$(D"])
def test_nothing_that_is_no_text_raises(value: bytes) -> None:
    for charset in ("ISO_IR 192", "\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "GB18030", "ISO_IR 13"):
        text, _ = decode(value, encodings(charset)[0], is_name=True)

        assert isinstance(text, str)


NAMES = {
    "chrArab": "قباني^لنزار",
    "chrFren": "Buc^Jérôme",
    "chrGerm": "Äneas^Rüdiger",
    "chrGreek": "Διονυσιος",
    "chrH31": "Yamada^Tarou",
    "chrHbrw": "שרון^דבורה",
    "chrI2": "Hong^Gildong",
    "chrX1": "Wang^XiaoDong",
    "chrX2": "Wang^XiaoDong",
}
IDEOGRAPHIC = {"chrH31": "山田^太郎", "chrI2": "洪^吉洞", "chrX1": "王^小東", "chrX2": "王^小东"}


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_names_are_shown_right(name: str) -> None:
    data = (sample_data() / "charsets" / f"{name}.dcm").read_bytes()

    shown = to_json(data, scan(data), bulk=None)["00100010"]["Value"][0]

    assert shown["Alphabetic"] == NAMES[name]
    assert shown.get("Ideographic") == IDEOGRAPHIC.get(name)
