"""QR codes as SVG within a page, for texts that no other request may carry."""

from typing import Final

import segno
from markupsafe import Markup

_QUIET: Final = 4
"""Modules of white around a code (ISO/IEC 18004)."""


def drawing(text: str) -> Markup:
    """A QR code with error correction M, dark on white in every theme; its size is the page's to say."""
    code = segno.make_qr(text, error="m", boost_error=False)
    return Markup(  # noqa: S704 - made of modules alone: the text stands nowhere in it
        code.svg_inline(border=_QUIET, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    )
