"""What the security documents point at is there."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebank.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("docs/threat-model.md", "docs/security.md", "docs/asvs.md", "SECURITY.md")
# OWASP ASVS 4.0.3, the release of October 2021: its requirements by the lowest level that asks for them.
LEVELS = {
    "1": (
        "2.1.1-12 2.2.1-3 2.3.1 2.5.1-6 2.7.1-4 2.8.1 3.1.1 3.2.1-3 3.3.1-2 3.4.1-5 3.7.1 4.1.1-3 4.1.5 4.2.1-2 "
        "4.3.1-2 5.1.1-5 5.2.1-8 5.3.1-10 5.5.1-4 6.2.1 7.1.1-2 7.4.1 8.2.1-3 8.3.1-4 9.1.1-3 10.3.1-3 11.1.1-5 "
        "12.1.1 12.3.1-5 12.4.1-2 12.5.1-2 12.6.1 13.1.1 13.1.3 13.2.1-3 13.3.1 14.2.1-3 14.3.2-3 14.4.1-7 14.5.1-3"
    ),
    "2": (
        "1.1.1-7 1.2.1-4 1.4.1 1.4.4-5 1.5.1-4 1.6.1-4 1.7.1-2 1.8.1-2 1.9.1-2 1.10.1 1.11.1-2 1.12.2 1.14.1-6 "
        "2.3.2-3 2.4.1-5 2.5.7 2.6.1-3 2.7.5-6 2.8.2-7 2.9.1-3 2.10.1-4 3.2.4 3.3.3-4 3.5.1-3 4.3.3 5.4.1-3 6.1.1-3 "
        "6.2.2-6 6.3.1-2 6.4.1-2 7.1.3-4 7.2.1-2 7.3.1 7.3.3-4 7.4.2-3 8.1.1-4 8.3.5-8 9.2.1-4 10.2.1-2 11.1.6-8 "
        "12.1.2-3 12.2.1 12.3.6 13.1.4-5 13.2.5-6 13.3.2 13.4.1-2 14.1.1-4 14.2.4-6 14.5.4"
    ),
}


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_file_and_page_that_is_named_is_there(document: str) -> None:
    text = text_of(document)
    named = set(re.findall(r"`((?:tests|docs|src|deploy)/[\w./-]+)(?:::\w+)?`", text))
    linked = {
        f"{document.rpartition('/')[0]}/{target}".lstrip("/") for target in re.findall(r"\]\((?!http)([^)#]+)", text)
    }

    assert named or document == "SECURITY.md"
    assert [path for path in sorted(named | linked) if not (ROOT / path).resolve().exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_single_test_that_is_named_is_in_its_file(document: str) -> None:
    named = re.findall(r"`(tests/[\w./-]+)::(\w+)`", text_of(document))

    assert [name for path, name in named if f"def {name}(" not in text_of(path)] == []


def test_every_setting_that_is_named_is_one() -> None:
    named = set(
        re.findall(
            r"`((?:max|http|upload|session|decode|trusted|cors|public|tls|open|oidc|atna)_\w+)`",
            text_of("docs/security.md"),
        )
    )

    assert len(named) > 10
    assert {name for name in named if name not in Settings.__dataclass_fields__} == set()


def test_every_threat_has_its_control_and_its_test() -> None:
    rows = [line for line in text_of("docs/threat-model.md").splitlines() if re.match(r"\| [STRIDE] \|", line)]

    assert len(rows) > 25
    assert {row[2] for row in rows} == set("STRIDE")
    assert [row for row in rows if "`tests/" not in row.split(" | ")[-1]] == []


def requirements(level: str) -> Iterator[str]:
    """The numbers of a level: `2.5.1-6` are six."""
    for group in LEVELS[level].split():
        section, _, span = group.rpartition(".")
        first, _, last = span.partition("-")
        yield from (f"{section}.{number}" for number in range(int(first), int(last or first) + 1))


def checklist() -> list[list[str]]:
    lines = text_of("docs/asvs.md").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d", line)]


def test_every_requirement_of_the_checklist_has_its_one_line_under_its_number() -> None:
    expected = [(number, level) for level in LEVELS for number in requirements(level)]

    assert sorted((number, level) for number, level, *_ in checklist()) == sorted(expected)
    assert len(expected) == 259


def test_every_line_of_the_checklist_has_a_state_and_a_test_or_a_reason() -> None:
    states = Counter(state for _, _, _, state, _ in checklist())
    told = ", ".join(f"{states[state]} {state}" for state in ("yes", "partly", "not met", "n/a"))

    assert f"\nOf {states.total()} lines: {told}.\n" in text_of("docs/asvs.md")
    for number, _, asks, state, shown in checklist():
        assert not asks.startswith("Verify"), "our words, not the original's"
        assert len(shown) > 8, number
        assert state != "yes" or re.search(r"`[\w./]+`|\]\(", shown), number
