"""What the documents point to is there: pages, their headings, and pictures."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path for pattern in ("*.md", "docs/**/*.md", "viewer/*.md") for path in sorted(ROOT.glob(pattern))]


def prose(page: Path) -> str:
    """A page without its blocks of code, in which a # begins no heading."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """By what the headings of a page are pointed to."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", prose(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(page: Path) -> Iterator[str]:
    """What a page points to within the repository and is not there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not re.match(r"[a-z]+:", target) and not (
            there.exists() and (not anchor or there.suffix != ".md" or anchor in anchors(there))
        ):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_a_document_leads_nowhere(page: Path) -> None:
    assert list(dead(page)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](#a-heading) [b](#b) [c](page.md#a-heading) ![d](d.png) [e](https://e.example/x)")

    assert list(dead(page)) == ["#b", "d.png"]
