"""`imagebank propose`: what would be proposed for files, and why; nothing is taken in."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, WrongUsage, bank_of, err, out, say, typed
from imagebank.cli.objects import NOTHING, Said

if TYPE_CHECKING:
    from imagebank.actions.media import Look

_COLUMNS = ("field", "value", "confidence", "becomes", "source", "evidence")


def propose(*files: Path, common: Common = HERE, organization: str | None = None, said: Said = NOTHING) -> int:
    """Show what would be proposed for files that are not DICOM, with source, evidence and confidence. Nothing is kept.

    What is sure would be filled in, what is likely offered as the first choice. Whose a file is, that is filled in only
    from what you say, or from an order or a visit that you name.

    Example: imagebank propose --data /srv/imagebank photos/4711_2026-03-01_OD.jpg
    Example: imagebank propose --data /srv/imagebank --order 20260301-17 --department ophthalmology fundus.jpg
    Example: IMAGEBANK_PROPOSALS_FILE=own.toml imagebank propose --data /srv/imagebank *.jpg

    Parameters
    ----------
    files
        The files; not folders, and not archives.
    organization
        Whose orders and visits are looked at; the bank's own without it.
    """
    from imagebank.actions import media
    from imagebank.actions.ingest import Arrival
    from imagebank.model.imaging import Source
    from imagebank.model.upload import read_about

    if not files:
        raise WrongUsage("name at least one file; see `imagebank propose --help`")
    with typed():
        about = read_about(asdict(said))
    rows: list[dict[str, Any]] = []
    with bank_of(common) as bank:
        source = Source("propose", "operator", organization or bank.settings.organization)
        for file in files:
            with file.open("rb") as content:
                look = media.look_at(bank, Arrival(content, file.stat().st_size, str(file)), source, about)
            rows += _show(common, file, look)
    if common.json:
        say(common, rows, ())
    return ALL_WELL if rows else NOT_WELL


def _show(common: Common, file: Path, look: "Look") -> list[dict[str, Any]]:
    """The rows of one file, which people are shown at once."""
    rows = [
        {
            "file": str(file),
            "field": one.field,
            "value": one.value,
            "confidence": f"{'■' * one.bars}{'□' * (5 - one.bars)} {one.confidence:.2f}",
            "becomes": look.becomes(one),
            "source": str(one.source),
            "evidence": one.evidence,
        }
        for one in look.proposals
    ]
    if not common.json:
        out.print(f"{file}: {look.kind.value}", markup=False)
        if rows:
            say(common, rows, _COLUMNS)
        else:
            err.print("nothing is proposed for it", markup=False)
    for words in look.warnings:
        err.print(f"{file}: {words}", markup=False)
    return rows
