"""The ratios as a picture: a line for each row on a scale of powers, from the worst round to the best."""

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from imagebank.bench.report import Line, short

_LEFT: Final = 330
_WIDTH: Final = 560
_ROW: Final = 26
_TOP: Final = 48
_LOW: Final = 0.1
_HIGH: Final = 1000.0
_AHEAD, _BEHIND, _GOAL = "#0b5cad", "#b3261e", "#767676"


def picture(title: str, lines: Sequence[Line]) -> str:
    """An SVG; rows without a ratio are left out."""
    shown = [line for line in lines if line.ratio is not None]
    height = _TOP + _ROW * len(shown) + 44
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" role="img"'
                ' font-family="sans-serif" font-size="13">'
            ),
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="18" fill="#1a1a1a">{escape(title)}</text>',
            *_scale(height - 36),
            *(part for number, line in enumerate(shown) for part in _line(_TOP + 10 + _ROW * number, line)),
            *_legend(height - 10),
            "</svg>\n",
        ]
    )


def _at(times: float) -> int:
    held = min(max(times, _LOW), _HIGH)
    return _LEFT + round(_WIDTH * math.log(held / _LOW) / math.log(_HIGH / _LOW))


def _scale(bottom: int) -> Iterator[str]:
    for times in (0.1, 1, 10, 100, 1000):
        x, color = _at(times), "#1a1a1a" if times == 1 else "#dddddd"
        yield f'<line x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{bottom}" stroke="{color}"/>'
        yield f'<text x="{x}" y="{_TOP - 14}" text-anchor="middle" fill="#444444">{times:g}x</text>'


def _line(y: int, line: Line) -> Iterator[str]:
    if line.ratio is None:
        return
    color = _BEHIND if line.ratio.is_behind else _AHEAD
    yield f'<text x="{_LEFT - 12}" y="{y + 5}" text-anchor="end" fill="#1a1a1a">{escape(line.words)}</text>'
    yield (
        f'<line x1="{_at(line.ratio.low)}" x2="{_at(line.ratio.high)}" y1="{y}" y2="{y}" stroke="{color}"'
        ' stroke-width="3" stroke-opacity="0.4"/>'
    )
    goal = _at(line.row.goal)
    yield f'<line x1="{goal}" x2="{goal}" y1="{y - 8}" y2="{y + 8}" stroke="{_GOAL}" stroke-width="2"/>'
    yield f'<circle cx="{_at(line.ratio.median)}" cy="{y}" r="5" fill="{color}"/>'
    yield f'<text x="{_at(_HIGH) + 10}" y="{y + 5}" fill="{color}">{short(line.ratio.median)}x</text>'


def _legend(y: int) -> Iterator[str]:
    for number, (words, color) in enumerate((("ahead", _AHEAD), ("behind", _BEHIND), ("goal", _GOAL))):
        x = _LEFT + 130 * number
        yield f'<circle cx="{x + 5}" cy="{y - 4}" r="5" fill="{color}"/>'
        yield f'<text x="{x + 16}" y="{y}" fill="#1a1a1a">{words}</text>'
