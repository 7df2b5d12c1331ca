"""What was measured of matching, as words, for machines, and as a picture."""

from math import log10
from typing import Any, Final

import msgspec

from imagebank.actions.matching_measure import BIN, Measured

_WIDTH: Final = 900
_HEIGHT: Final = 360
_LEFT: Final = 60
_BOTTOM: Final = 40
_DECADES: Final = 6
WORDS: Final = {
    "none": "nothing wrong",
    "moved": "another address",
    "address_written": "the address written in another way",
    "phone_changed": "another phone",
    "phone_digit": "one digit of the phone wrong",
    "new_family": "another family name (women)",
    "hyphenated": "two family names with a hyphen",
    "double_dropped": "one of two family names left out",
    "second_given": "second given name left out, or its initial",
    "nickname": "nickname",
    "script": "Latin letters instead of the own script",
    "typo_family": "slip in the family name",
    "typo_given": "slip in the given name",
    "swapped_names": "family and given name in each other's place",
    "birth_digit": "one digit of the birth date wrong",
    "birth_swapped": "day and month swapped",
    "birth_first": "the first of January instead of the birth date",
    "birth_other": "another birth date",
    "sex": "the other sex",
    "no birth_date": "no birth date",
    "no sex": "no sex",
    "no address": "no address",
    "no phone": "no phone",
    "no mother": "no mother's maiden name",
}
"""What each error is called in a report."""


def as_json(measured: Measured) -> dict[str, Any]:
    """All that was measured, with the shares that follow from it."""
    shares = {"precision": measured.precision, "recall_alone": measured.recall_alone, "recall": measured.recall}
    counted: dict[str, Any] = msgspec.to_builtins(measured, str_keys=True)
    return {name: round(share, 5) for name, share in shares.items()} | counted


def as_markdown(measured: Measured) -> str:
    """A page for people."""
    without = f", without {', '.join(measured.without)}" if measured.without else ""
    wrong = ", ".join(f"{number} of {kin}" for kin, number in sorted(measured.wrong_by.items()))
    lines = [
        f"## {measured.records:,} records of {measured.people:,} people{without}, seed {measured.seed}",
        "",
        "| what | figure |",
        "|---|---|",
        f"| precision of automatic links | {measured.precision:.5f} |",
        f"| recall, automatic links alone | {measured.recall_alone:.4f} |",
        f"| recall, with the queue answered | {measured.recall:.4f} |",
        f"| pairs of records of one person | {measured.true:,} |",
        f"| pairs linked automatically | {measured.linked:,} |",
        f"| of these wrong | {measured.wrong:,}{f' ({wrong})' if wrong else ''} |",
        f"| questions in the queue | {measured.asked:,} |",
        f"| of these to be answered with yes | {measured.asked_true:,} |",
        f"| pairs compared | {measured.compared:,} |",
        f"| thresholds | {measured.automatic:g} and {measured.review:g} |",
        "",
        "| what is wrong with one of the two records | pairs | linked | with the queue |",
        "|---|---|---|---|",
    ]
    for kind in measured.kinds:
        shares = f"{kind.linked / kind.pairs:.3f} | {kind.found / kind.pairs:.3f}"
        lines.append(f"| {WORDS[kind.error]} | {kind.pairs:,} | {shares} |")
    return "\n".join(lines) + "\n"


def as_svg(measured: Measured) -> str:
    """How many pairs have which score, on a logarithmic scale: those of one person, those of two, and the thresholds."""
    first, last = min(measured.scores), max(measured.scores) + BIN
    step = (_WIDTH - _LEFT - 10) / (last - first)

    def across(score: float) -> float:
        return round(_LEFT + (score - first) * step, 1)

    bars = [
        _bar(across(score) + shift, step * BIN / 2 - 0.5, number, colour)
        for score, numbers in measured.scores.items()
        for number, colour, shift in zip(numbers, ("#b3541e", "#1f6f8b"), (0.0, step * BIN / 2), strict=True)
        if number
    ]
    lines = [
        f'<line x1="{across(at)}" x2="{across(at)}" y1="20" y2="{_HEIGHT - _BOTTOM}" stroke="#444" stroke-dasharray="4 3"/>'
        f'<text x="{across(at) + 4}" y="32">{word} {at:g}</text>'
        for at, word in ((measured.review, "asked from"), (measured.automatic, "linked from"))
    ]
    marks = [
        f'<text x="{across(score)}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{score}</text>'
        for score in range(first // 10 * 10 + 10, last, 10)
    ]
    heights = [
        f'<text x="{_LEFT - 6}" y="{_top(10**power) + 4}" text-anchor="end">{10**power:,}</text>'
        for power in range(_DECADES)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" '
        f'font-size="12" fill="#222"><title>Pairs of records by score</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    )
    legend = (
        f'<text x="{_LEFT}" y="14"><tspan fill="#1f6f8b">■ of one person</tspan>'
        f'<tspan dx="16" fill="#b3541e">■ of two persons</tspan></text>'
        f'<text x="{_WIDTH // 2}" y="{_HEIGHT - 6}" text-anchor="middle">score</text></svg>'
    )
    return "\n".join([head, *bars, *lines, *marks, *heights, legend]) + "\n"


def _top(number: int) -> float:
    """The height of a bar for so many pairs: one pair is a little, each decade the same."""
    room = _HEIGHT - _BOTTOM - 40
    return round(_HEIGHT - _BOTTOM - room * (log10(number) + 0.1) / _DECADES, 1)


def _bar(left: float, width: float, number: int, colour: str) -> str:
    top = _top(number)
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_HEIGHT - _BOTTOM - top:.1f}" fill="{colour}"/>'
    )
