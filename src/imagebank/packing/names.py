"""What files are called in an export."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final

# What no file may be called on Windows.
_FORBIDDEN: Final = re.compile(r'[<>:"/\\|?*]+')
_LONGEST: Final = 60
_WORD: Final = re.compile(r"\w+")


def numbered(folder: str, letters: str, number: int, suffix: str = "") -> str:
    """A name of ISO 9660 level 1 and of a DICOM File ID (PS3.10 8.2): `numbered("DICOM", "ST", 3)` is `DICOM/ST000003`."""
    name = letters + str(number).zfill(8 - len(letters)) + (f".{suffix}" if suffix else "")
    return f"{folder}/{name}" if folder else name


def readable(text: str, secrets: Collection[str] = ()) -> str:
    """Words that any system takes as a part of a file's name, without those that are `secrets`, in any case."""
    hidden = {secret.casefold() for secret in secrets}
    plain = unicodedata.normalize("NFC", text)
    plain = _WORD.sub(lambda found: "" if found[0].casefold() in hidden else found[0], plain)
    # Control characters, and those that turn the direction of writing: a name is read as it is.
    seen = "".join(" " if unicodedata.category(one).startswith("C") else one for one in plain)
    return " ".join(_FORBIDDEN.sub(" ", seen).split())[:_LONGEST].strip(" .")


def words_of(*names: str) -> frozenset[str]:
    """The words of names and numbers, to be kept out of others."""
    return frozenset(word for name in names for word in _WORD.findall(name) if len(word) > 1)
