"""DICOM's character sets (PS3.3 C.12.1.1.2, PS3.5 6.1), decoded without ever failing."""

import re
from functools import lru_cache
from typing import Final

_SINGLE: Final = {
    "6": "iso8859",  # ASCII by the letter; what real files hold beyond it is Latin-1 nearly always
    "13": "shift_jis",
    "100": "latin-1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "166": "iso8859_11",
    "203": "iso8859_15",
}
_MULTI: Final = {"87": "iso2022_jp", "159": "iso2022_jp_2", "149": "euc_kr", "58": "gb2312"}
_ALONE: Final = {
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO 2022 GBK": "gbk",
    "ISO 2022 58": "gb2312",
}

# PS3.3 tables C.12-3 and C.12-4; iso2022_jp and iso2022_jp_2 read their escapes themselves.
_ESCAPES: Final = {
    b"\x1b(B": "iso8859",
    b"\x1b(J": "shift_jis",
    b"\x1b)I": "shift_jis",
    b"\x1b-A": "latin-1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "iso8859_11",
    b"\x1b-b": "iso8859_15",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
_SELF_READING: Final = ("iso2022_jp", "iso2022_jp_2")
_TEXT_RUN: Final = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
# PS3.5 6.1.2.5.3: line ends, and in names the delimiters, bring back the first character set.
_RESET: Final = re.compile(rb"[\r\n\t\f]")
_RESET_IN_NAMES: Final = re.compile(rb"[\r\n\t\f^=\\]")

DEFAULT: Final = ("iso8859",)
Encodings = tuple[str, ...]
"""Python's names of the character sets in force, the first one being the one that a value starts with."""


@lru_cache(maxsize=256)
def encodings(value: str) -> tuple[Encodings, str]:
    """The encodings of a Specific Character Set value, and a warning in words or the empty string."""
    terms = [term.strip(" \0") for term in value.split("\\")]
    found: list[str] = []
    warning = ""
    for place, term in enumerate(terms):
        name, is_alone = _encoding(term)
        if not name:
            warning = "the character set that the header names is not one of DICOM's; Latin-1 was assumed"
            name = "iso8859"
        if is_alone and place > 0:
            # PS3.3 C.12.1.1.2: these prohibit code extensions.
            continue
        found.append(name)
        if is_alone:
            break
    return tuple(found), warning


def _encoding(term: str) -> tuple[str, bool]:
    """Python's name for a defined term, and whether the term stands alone. Common misspellings are read."""
    if not term:
        return "iso8859", False
    if term in _ALONE:
        return _ALONE[term], not term.startswith("ISO 2022")
    number = re.fullmatch(r"ISO[ _-]?(?:2022[ _-])?(?:IR)?[ _-]?(\d+)", term.upper())
    if number is None:
        return ("utf-8", True) if term.upper() in ("UTF-8", "UTF8") else ("", False)
    if number[1] == "192":
        return "utf-8", True
    return _SINGLE.get(number[1]) or _MULTI.get(number[1], ""), False


def decode(value: bytes, names: Encodings, *, is_name: bool = False) -> tuple[str, bool]:
    """The text of a value, and whether every byte could be read; what could not is U+FFFD."""
    if b"\x1b" not in value:
        return _plain(value, names[0])
    clean = True
    parts = []
    for run in _TEXT_RUN.findall(value):
        text, good = _run(run, names, _RESET_IN_NAMES if is_name else _RESET)
        parts.append(text)
        clean = clean and good
    return "".join(parts), clean


def _plain(value: bytes, name: str) -> tuple[str, bool]:
    try:
        return value.decode(name), True
    except UnicodeDecodeError:
        return value.decode(name, "replace"), False


def _run(run: bytes, names: Encodings, reset: re.Pattern[bytes]) -> tuple[str, bool]:
    """One run of bytes that begins with an escape sequence, or the one before the first."""
    if run[:1] != b"\x1b":
        return _plain(run, names[0])
    length = 4 if run[1:3] in (b"$(", b"$)") else 3
    name = _ESCAPES.get(run[:length])
    if name is None:
        return run.decode(names[0], "replace"), False
    if name in _SELF_READING:
        return _plain(run, name)
    rest = run[length:]
    stop = reset.search(rest)
    cut = stop.start() if stop else len(rest)
    text, good = _plain(rest[:cut], name)
    if cut == len(rest):
        return text, good
    # Bytes that the default repertoire does not have mean that the writer left the next escape out.
    forgot = names[0] == DEFAULT[0] and not rest[cut:].isascii()
    after, fine = _plain(rest[cut:], name if forgot else names[0])
    return text + after, good and fine
