"""Write docs/sample-outcomes.md: what became of every sample file when all of them were imported into an empty bank.

python docs/sample_outcomes.py ../shared/data
"""

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from imagebank.actions import collect
from imagebank.app import opened
from imagebank.dicom.document import named
from imagebank.model.imaging import Outcome, Receipt, Source
from imagebank.settings import load

PAGE = Path(__file__).parent / "sample-outcomes.md"
_HEAD = """# What becomes of the sample files

Every file of the sample data, imported into an empty bank by `imagebank import`: photographs, films and documents with
nothing said of them. It is written by `python docs/sample_outcomes.py FOLDER`, where FOLDER holds the sample data, and
`make test-long` finds out when it is not true any more. What lies in an archive stands behind `!/`.
"""
_MEANINGS = {
    Outcome.STORED: "in the archive",
    Outcome.DUPLICATE: "in the archive already, by another file of the sample data",
    Outcome.QUARANTINED: "safe, and not in the archive; whoever runs the bank looks at it",
    Outcome.READ: "read, and no object: what it says of the others was heeded",
    Outcome.REFUSED: "not kept",
}


class _Heard(collect.Tally):
    """A tally that also remembers every receipt."""

    def __init__(self) -> None:
        super().__init__()
        self.receipts: list[Receipt] = []

    def add(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)
        super().add(receipt)


def page(folder: Path) -> str:
    """The page for the sample data in a folder."""
    with tempfile.TemporaryDirectory() as place:
        settings = load(environ={}, data=Path(place) / "bank", decoders=1)
        with opened(settings) as bank, closing(collect.Journal(Path(place) / "journal")) as journal:
            heard = _Heard()
            collect.bring_in(bank, collect.look([folder]), Source("import", "docs", "local"), journal, heard)
    return "\n".join([*_lines(heard, folder.resolve())]) + "\n"


def _lines(heard: _Heard, folder: Path) -> Iterator[str]:
    receipts = heard.receipts
    count = Counter(one.outcome for one in receipts)
    yield _HEAD
    yield f"{len(heard.missing)} more are named by tables of contents (DICOMDIR) that came without them.\n"
    yield "| outcome | objects | meaning |\n|---|---|---|"
    yield from (f"| {outcome} | {count[outcome]} | {_MEANINGS[outcome]} |" for outcome in Outcome)
    yield "\n| file | outcome | object | reason |\n|---|---|---|---|"
    rows = ((one.name.removeprefix(f"{folder}/"), one) for one in receipts)
    for name, one in sorted(rows, key=lambda row: row[0]):
        kind = named(str(one.sop_class)) if one.sop_class else ""
        yield f"| {_cell(f'`{name}`')} | {one.outcome} | {_cell(kind)} | {_cell(str(one.error or ''))} |"


def _cell(text: str) -> str:
    # Digits of UIDs and the like stand for themselves; a bar would end the cell.
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1])), encoding="utf-8")
