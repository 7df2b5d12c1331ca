"""Sets a template and the values for it as a PDF, in every script that there is a font for.

Typst does it: it joins and orders letters (Arabic, Hebrew, Indic), breaks lines of Chinese and Japanese, and puts in
only those letters of a font that are used. Values reach a template as JSON and are never read as markup.
"""

import re
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import as_file
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final

import orjson
from noto_cjk_sans_otc import FONT_PATH
from typst import Compiler, Fonts, TypstError

from imagebank.errors import Unavailable

_HERE: Final = Path(__file__).parent
_FONTS: Final = _HERE / "fonts"
_TEMPLATES: Final = _HERE / "templates"
_ISOLATED: Final = "\u2068{}\u2069"
"""Keeps the order of letters inside from mixing with the order outside (UAX 9, FSI and PDI)."""
_AT_ONCE: Final = BoundedSemaphore(2)
_PATIENCE: Final = 120
"""Seconds for a document; 5,000 lines take about 15."""


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


def set_pdf(template: str, given: Mapping[str, Any]) -> bytes:
    """A template of this package with its values as a PDF for screen readers, too (PDF/UA-1).

    A letter that no font has is printed as an empty box; the document is not called PDF/UA-1 then.
    """
    main = _TEMPLATES / f"{template}.typ"
    inputs = {"given": orjson.dumps(given).decode()}
    compiler = Compiler(root=_TEMPLATES, font_paths=_fonts(), ignore_system_fonts=True)
    try:
        made = compiler.compile(main, format="pdf", sys_inputs=inputs, pdf_standards=["ua-1"])
    except TypstError:
        made = compiler.compile(main, format="pdf", sys_inputs=inputs)
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made


def set_apart(template: str, given: Mapping[str, Any]) -> bytes:
    """The same in a process of its own, for what may be long: Typst keeps what its last ten documents took.

    Raises Unavailable when it takes too long, or more than there is.
    """
    command = [sys.executable, "-m", "imagebank.paper", template]
    try:
        with _AT_ONCE:
            done = subprocess.run(  # noqa: S603  our own module
                command, input=orjson.dumps(given), capture_output=True, check=True, timeout=_PATIENCE
            )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise Unavailable("the document could not be set; ask for less, or try again") from error
    return done.stdout


@cache
def _fonts() -> Fonts:
    with as_file(FONT_PATH) as chinese:
        return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_FONTS, chinese.parent])


def written(text: str) -> str:
    """What somebody or a system wrote, as it can be printed: without control characters, apart from its neighbours."""
    kept = "".join(" " if one in "\t\r\n" else one for one in text if one in "\t\r\n" or _is_printed(one))
    return _ISOLATED.format(kept) if kept.strip() else ""


def _is_printed(one: str) -> bool:
    # Format characters join letters in some scripts (U+200C, U+200D); those that turn the order of letters around are
    # what a name must not bring.
    return unicodedata.category(one) not in ("Cc", "Cs") and unicodedata.bidirectional(one) not in _TURNING


_TURNING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B"})
