"""Every text of a page can be translated: none stands in a template without a mark."""

import re
from pathlib import Path

import pytest

from imagebank.portal import layout

TEMPLATES = Path(layout.__file__).parent / "templates"
MADE_UP = {"design.html"}
"""Pages for those who make pages, with made-up names."""
NAMES = re.compile(
    r"\b(Imagebank|SOP Class UID|SOP Instance UID|Transfer Syntax UID|CSV|PDF|CT, MR|utf-8|UTC|https://imagebank\.example|7K2M 9QXD 4TRB H0VT|mm/s|mm/mV|doctype html)\b"
)
ATTRIBUTES = {"density", "dir", "main_class", "theme"}
"""Blocks of a page that are no text."""
SHOWN = re.compile(r'\b(?:alt|aria-label|placeholder|title|content-title)="([^"]*)"')


def unmarked(template: Path) -> list[str]:
    """Texts and shown attributes outside marks, by the lexer: what it calls data is written as it stands."""
    found, is_marked, data = list[tuple[int, str]](), False, list[str]()
    lines, before = list[int](), ""
    for number, kind, text in layout.environment().lex(template.read_text()):
        if kind == "name":
            opens = text == "trans" or (before == "block" and text in ATTRIBUTES)
            is_marked = opens or (is_marked and text not in ("endtrans", "endblock"))
            before = text
        elif kind == "data" and not is_marked:
            data.append(text)
            lines += [number] * len(text)
        elif kind in ("variable_begin", "block_begin") and not is_marked:
            data.append("{")
            lines.append(number)
    whole = "".join(data)
    texts = [(m.start(1), m[1]) for m in SHOWN.finditer(whole)]
    bare = re.sub(r"<(script|style|code|kbd)\b.*?</\1>|<[^>]*>", lambda m: " " * len(m[0]), whole, flags=re.DOTALL)
    # A macro may give attributes alone; those that are shown were looked at above.
    bare = re.sub(r'[\w-]+="[^"\n{]*["{]?', lambda m: " " * len(m[0]), bare)
    texts += [(m.start(), m[0]) for m in re.finditer(r"[^{\n]+", bare)]
    for at, text in texts:
        if re.search(r"[^\W\d_]{2}", NAMES.sub("", text)):
            found.append((lines[at], text.strip()))
    return [f"{template.name}:{number}: {text}" for number, text in found]


@pytest.mark.parametrize("name", sorted(str(one.relative_to(TEMPLATES)) for one in TEMPLATES.rglob("*.html")))
def test_no_text_stands_in_a_template_without_a_mark(name: str) -> None:
    assert name in MADE_UP or unmarked(TEMPLATES / name) == []


def test_a_text_without_a_mark_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('{{ _("Good") }}<p title="Bad one">Bad {{ x }} two</p>{% trans %}Good{% endtrans %}<code>ok</code>')

    assert unmarked(page) == ["page.html:1: Bad one", "page.html:1: Bad", "page.html:1: two"]
