"""Shares of what was right, as a picture: a line for each measure, from half to all, with a mark for each half."""

from collections.abc import Iterator, Mapping
from typing import Final
from xml.sax.saxutils import escape

_LEFT: Final = 230
_WIDTH: Final = 620
_ROW: Final = 28
_TOP: Final = 34
_LEAST: Final = 0.5
"""Where the scale begins; what is worse stands there."""
_MARKS: Final = {"development": "#767676", "test": "#0b5cad"}


def picture(title: str, measures: Mapping[str, Mapping[str, float]]) -> str:
    """An SVG of shares from 0 to 1 by measure and half."""
    height = _TOP + _ROW * len(measures) + 40
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 80} {height}" role="img"'
                ' font-family="sans-serif" font-size="13">'
            ),
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *_scale(height - 32),
            *(line for number, one in enumerate(measures.items()) for line in _line(_TOP + _ROW * number, *one)),
            *_legend(height - 8),
            "</svg>\n",
        ]
    )


def _at(share: float) -> int:
    return _LEFT + round(_WIDTH * (max(share, _LEAST) - _LEAST) / (1 - _LEAST))


def _scale(bottom: int) -> Iterator[str]:
    for tenth in range(5, 11):
        x = _at(tenth / 10)
        yield f'<line x1="{x}" x2="{x}" y1="{_TOP - 14}" y2="{bottom}" stroke="#dddddd"/>'
        yield f'<text x="{x}" y="{_TOP - 18}" text-anchor="middle" fill="#444444">{tenth / 10:.1f}</text>'


def _line(y: int, name: str, shares: Mapping[str, float]) -> Iterator[str]:
    yield f'<text x="{_LEFT - 12}" y="{y + 5}" text-anchor="end" fill="#1a1a1a">{escape(name)}</text>'
    yield f'<line x1="{_LEFT}" x2="{_at(1)}" y1="{y}" y2="{y}" stroke="#bbbbbb"/>'
    for half, color in _MARKS.items():
        yield f'<circle cx="{_at(shares[half])}" cy="{y}" r="5" fill="{color}"/>'
    yield f'<text x="{_at(1) + 12}" y="{y + 5}" fill="{_MARKS["test"]}">{shares["test"]:.3f}</text>'


def _legend(y: int) -> Iterator[str]:
    for number, (half, color) in enumerate(_MARKS.items()):
        x = _LEFT + 220 * number
        yield f'<circle cx="{x + 5}" cy="{y - 4}" r="5" fill="{color}"/>'
        yield f'<text x="{x + 16}" y="{y}" fill="#1a1a1a">half for {"the test" if half == "test" else half}</text>'
