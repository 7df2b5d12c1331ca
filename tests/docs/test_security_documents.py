"""What the security documents point at is there."""

import re
from pathlib import Path

import pytest

from imagebank.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("docs/threat-model.md", "docs/security.md", "docs/asvs.md", "SECURITY.md")
# OWASP ASVS 4.0.3: requirements of levels 1 and 2 are in these chapters.
CHAPTERS = 14


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_file_and_page_that_is_named_is_there(document: str) -> None:
    text = text_of(document)
    named = set(re.findall(r"`((?:tests|docs|src|deploy)/[\w./-]+)`", text))
    linked = {
        f"{document.rpartition('/')[0]}/{target}".lstrip("/") for target in re.findall(r"\]\((?!http)([^)#]+)", text)
    }

    assert named or document == "SECURITY.md"
    assert [path for path in sorted(named | linked) if not (ROOT / path).resolve().exists()] == []


def test_every_setting_that_is_named_is_one() -> None:
    named = set(
        re.findall(
            r"`((?:max|http|upload|session|decode|trusted|cors|public|tls|open)_\w+)`", text_of("docs/security.md")
        )
    )

    assert len(named) > 10
    assert {name for name in named if name not in Settings.__dataclass_fields__} == set()


def test_every_threat_has_its_control_and_its_test() -> None:
    rows = [line for line in text_of("docs/threat-model.md").splitlines() if re.match(r"\| [STRIDE] \|", line)]

    assert len(rows) > 25
    assert {row[2] for row in rows} == set("STRIDE")
    assert [row for row in rows if "`tests/" not in row.split(" | ")[-1]] == []


def test_every_line_of_the_checklist_has_a_state_and_a_test_or_a_reason() -> None:
    rows = [line.strip("| ").split(" | ") for line in text_of("docs/asvs.md").splitlines() if re.match(r"\| \d", line)]
    numbers = [row[0] for row in rows]

    assert len(numbers) == len(set(numbers)) > 200
    assert {int(number.partition(".")[0]) for number in numbers} == set(range(1, CHAPTERS + 1))
    for number, _, state, shown in rows:
        assert state in {"yes", "partly", "no", "n/a"}, number
        assert len(shown) > 8, number
