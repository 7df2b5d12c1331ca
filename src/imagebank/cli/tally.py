"""What an import came to: a table for people, everything for machines."""

import sys
from typing import TYPE_CHECKING, Any

import orjson

from imagebank.cli.console import Common, out, table
from imagebank.model.imaging import Outcome

if TYPE_CHECKING:
    from imagebank.actions.collect import Tally

_SHOWN = 20


def report(tally: "Tally", common: Common) -> None:
    """What became of every object."""
    if common.json:
        answer: dict[str, Any] = {str(outcome): tally.outcomes[outcome] for outcome in Outcome}
        answer |= {
            "skipped": tally.skipped,
            "unread": len(tally.unread),
            "files": tally.files_total,
            "missing": tally.missing,
            "warnings": dict(tally.warnings),
            "refusals": [{"file": name, "reason": reason} for name, reason in tally.refused],
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    counts = [(str(outcome), tally.outcomes[outcome] - tally.before[outcome]) for outcome in Outcome]
    counts += [(f"{outcome} before, not read again", count) for outcome, count in tally.before.items()]
    counts += [("in already, not read again (files)", tally.skipped_whole)] if tally.skipped_whole else []
    out.print(table(("outcome", "objects"), counts))
    _reasons(tally)


def _reasons(tally: "Tally") -> None:
    if tally.reasons:
        examples = {reason: name for name, reason in reversed(tally.refused)}
        shown = tally.reasons.most_common(_SHOWN)
        rows = [(reason, count, examples[reason]) for reason, count in shown]
        out.print(table(("not in the archive, because", "objects", "for example"), rows))
        out.print("with --json the same command names every file and its reason")
    if tally.missing:
        out.print(table(("named by a DICOMDIR, and not there",), [(name,) for name in tally.missing[:_SHOWN]]))
        out.print(f"{len(tally.missing)} in all; look for them on the medium, or ask for another copy")
    if tally.outcomes[Outcome.QUARANTINED]:
        out.print("`imagebank quarantine list` shows what lies in quarantine")
    if tally.unread:
        out.print(f"could not be read, and are tried again by the same command: {len(tally.unread)}")
    if tally.warnings:
        out.print(table(("kept, with a warning", "objects"), tally.warnings.most_common(_SHOWN)))
