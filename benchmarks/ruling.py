"""What the site's rules cost an arriving CT slice of 512 KiB: none, a file without rules, ten that only look, ten that change.

`python benchmarks/ruling.py [SLICES]`. In milliseconds of the processor for each slice, so that other work on the
machine counts less; and what judging alone takes.
"""

import io
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from imagebank.actions import ingest
from imagebank.app import opened
from imagebank.bank import Bank
from imagebank.dicom import phantom
from imagebank.model.imaging import Source
from imagebank.model.rules import Deposit, Opinion, Text
from imagebank.rules.facts import Person, facts_of
from imagebank.rules.judge import judge
from imagebank.rules.reading import Surroundings, read
from imagebank.settings import load

SOURCE = Source("dimse", "CT1", "local", "10.0.0.7")
_LOOKS = """
[[rule]]
name = "Look {number}"
sources = ["CT*", "MR*"]
when = '''
header.Modality == "CT" && header.BodyPartExamined.startsWith("KNEE{number}") &&
  header.StudyDescription.matches("(?i)kn(ee|ie) {number}") || header.PatientID == "T{number}"
'''
[[rule.do]]
action = "refuse"
reason = "it is a test"
"""
_CHANGES = """
[[rule]]
name = "Issuer"
when = 'header.IssuerOfPatientID == ""'
[[rule.do]]
action = "set"
tag = "IssuerOfPatientID"
value = "NORTH"
"""


@dataclass(frozen=True)
class Case:
    """One set of rules."""

    name: str
    rules: str | None


def cases() -> list[Case]:
    looks = "".join(_LOOKS.replace("{number}", str(number)) for number in range(10))
    nine = "".join(_LOOKS.replace("{number}", str(number)) for number in range(9))
    return [
        Case("no file", None),
        Case("a file without rules", "# none\n"),
        Case("ten that look", looks),
        Case("nine that look and one that changes", nine + _CHANGES),
    ]


def slices(count: int) -> list[bytes]:
    made = phantom.Phantom(
        patient_id="P1",
        patient_name="Doe^Jane",
        birth=date(1970, 1, 1),
        sex="F",
        modality="CT",
        description="CT head",
        body_part="HEAD",
        on=date(2026, 1, 2),
        accession="A1",
        slices=count,
        size=512,
    )
    return list(phantom.files(made))


def receive(bank: Bank, files: list[bytes]) -> float:
    began = time.process_time()
    for file in files:
        (receipt,) = ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file))], SOURCE)
        assert receipt.error is None, receipt.error
    return (time.process_time() - began) / len(files) * 1e3


def judging(rules: str, file: bytes) -> tuple[float, float]:
    """Microseconds to read what rules ask for, and to judge."""
    found = read(Text(rules), Surroundings()).rules
    assert found is not None
    at, rounds = datetime(2026, 3, 2, tzinfo=UTC), 500
    began = time.process_time()
    for _ in range(rounds):
        facts = facts_of(found, file, SOURCE, "", at, Person)
    half = time.process_time()
    for _ in range(rounds):
        judge(found, facts, nobody)
    return (half - began) / rounds * 1e6, (time.process_time() - half) / rounds * 1e6


def nobody(_: str, __: Deposit) -> Opinion:
    raise AssertionError


def main() -> None:
    files = slices(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    for case in cases():
        best = []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as folder, opened(load(environ={}, data=Path(folder) / "bank")) as bank:
                if case.rules is not None:
                    (Path(folder) / "bank" / "rules.toml").write_text(case.rules)
                receive(bank, files[:10])
                best.append(receive(bank, files[10:]))
        print(f"{case.name}: {min(best):.3f} ms a slice")
        if case.rules and "rule]]" in case.rules:
            header, judged = judging(case.rules, files[0])
            print(f"  reading the header {header:.0f} µs, judging {judged:.0f} µs")


if __name__ == "__main__":
    main()
