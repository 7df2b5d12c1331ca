"""Sets a template and the values for it as a PDF, in every script that there is a font for.

Typst does it: it joins and orders letters (Arabic, Hebrew, Indic), breaks lines of Chinese and Japanese, and puts in
only those letters of a font that are used. Values reach a template as JSON and are never read as markup.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import as_file
from pathlib import Path
from typing import Any, Final

import orjson
from noto_cjk_sans_otc import FONT_PATH
from typst import Compiler, Fonts, TypstError

_HERE: Final = Path(__file__).parent
_FONTS: Final = _HERE / "fonts"
_TEMPLATES: Final = _HERE / "templates"
_ISOLATED: Final = "\u2068{}\u2069"
"""Keeps the order of letters inside from mixing with the order outside (UAX 9, FSI and PDI)."""
_LONG_RUN: Final = re.compile(r"[!-~]{24,}")
_STEP: Final = re.compile(r"(.{1,12})", re.DOTALL)


class PaperSize(StrEnum):
    """A sheet of paper, by the name that Typst has for it."""

    A4 = "a4"
    LETTER = "us-letter"


_LETTER_COUNTRIES: Final = frozenset(
    ("BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE")
)
"""Where printers hold US Letter (CLDR supplemental data, paperSize)."""


def usual_paper(tag: str) -> PaperSize:
    """The paper of the country in a language tag such as `en-US`; A4 without one."""
    country = next((part.upper() for part in re.split("[-_]", tag)[1:] if len(part) == 2), "")
    return PaperSize.LETTER if country in _LETTER_COUNTRIES else PaperSize.A4


def set_pdf(template: str, given: Mapping[str, Any], at: datetime | None = None) -> bytes:
    """A template of this package with its values as a PDF for screen readers, too (PDF/UA-1).

    A letter that no font has is printed as an empty box; the document is not called PDF/UA-1 then.
    """
    main = _TEMPLATES / f"{template}.typ"
    inputs = {"given": orjson.dumps(given).decode()}
    compiler = Compiler(root=_TEMPLATES, font_paths=_fonts(), ignore_system_fonts=True)
    try:
        made = compiler.compile(main, format="pdf", sys_inputs=inputs, timestamp=at, pdf_standards=["ua-1"])
    except TypstError:
        made = compiler.compile(main, format="pdf", sys_inputs=inputs, timestamp=at)
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made


@cache
def _fonts() -> Fonts:
    with as_file(FONT_PATH) as chinese:
        return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_FONTS, chinese.parent])


def written(text: str) -> str:
    """What somebody or a system wrote, as it can be printed: without control characters, apart from its neighbours."""
    kept = "".join(" " if one in "\t\r\n" else one for one in text if one in "\t\r\n" or _is_printed(one))
    return _ISOLATED.format(_LONG_RUN.sub(_breakable, kept)) if kept.strip() else ""


def _is_printed(one: str) -> bool:
    # Format characters join letters in some scripts (U+200C, U+200D); those that turn the order of letters around are
    # what a name must not bring.
    return unicodedata.category(one) not in ("Cc", "Cs") and unicodedata.bidirectional(one) not in _TURNING


_TURNING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B"})


def _breakable(found: re.Match[str]) -> str:
    """A long run, such as a UID, with places where a line may end."""
    return _STEP.sub("\\1\u200b", found[0])
