"""`imagebank import`, `verify` and `reindex`: objects, and whether they are whole."""

import sys
from pathlib import Path

import orjson

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    WrongUsage,
    bank_of,
    err,
    out,
    progress_bar,
    say,
    typed,
)


def import_(
    *paths: Path, common: Common = HERE, organization: str | None = None, again: bool = False, watch: bool = False
) -> int:
    """Bring in files, folders, ZIP and TAR archives; whatever is in already is not read again.

    Example: imagebank import --data /srv/imagebank /media/cdrom ~/archive.zip

    Parameters
    ----------
    paths
        Files, folders, ZIP and TAR archives.
    organization
        Assigning authority of patient identifiers that name none; the bank's own without it.
    again
        Read everything, also what an earlier import has settled.
    watch
        Stay, and bring in what comes later.
    """
    from imagebank import importing
    from imagebank.actions import collect
    from imagebank.cli.tally import report

    if not paths:
        raise WrongUsage("name at least one file or folder; see `imagebank import --help`")
    with typed():
        # Before a bank is made for what is not there.
        collect.check(paths)
    with bank_of(common, may_create=True) as bank:
        wish = importing.Wish(paths, organization or bank.settings.organization, again=again, watch=watch)
        tally = importing.run(bank, wish, err)
    report(tally, common)
    return ALL_WELL if tally.is_complete and not tally.refused else NOT_WELL


def verify(*, common: Common = HERE, sweep: bool = False) -> int:
    """Read every object, compare its digest with what arrived, and look for losses.

    Example: imagebank verify --data /srv/imagebank

    Parameters
    ----------
    sweep
        Delete records that nothing refers to, such as an interrupted deposit leaves.
    """
    from imagebank.actions import scrub

    with bank_of(common) as bank, progress_bar("reading") as progress:
        findings = scrub.verify(bank, sweep=sweep, progress=progress)
    rows = [
        {"finding": kind, "object": text}
        for kind, texts in (("lost", findings.lost), ("damaged", findings.damaged), ("orphan", findings.orphans))
        for text in texts
    ]
    if not findings.is_indexed:
        err.print("the index is not complete: it was lost, or is being rebuilt; `imagebank reindex` rebuilds it")
    if common.json:
        answer = {
            "checked": findings.checked,
            "bytes": findings.bytes,
            "is_indexed": findings.is_indexed,
            "is_clean": findings.is_clean,
            "findings": rows,
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        if rows:
            say(common, rows, ("finding", "object"))
        out.print(
            f"{findings.checked} objects ({findings.bytes:,} bytes) read; "
            f"{len(findings.lost)} lost, {len(findings.damaged)} damaged, {len(findings.orphans)} orphans"
        )
    return ALL_WELL if findings.is_clean else NOT_WELL


def reindex(*, common: Common = HERE) -> int:
    """Rebuild the index from the objects alone. Stop the server first.

    Example: imagebank reindex --data /srv/imagebank
    """
    from imagebank.actions import reindex as reindexing
    from imagebank.http import whereabouts

    if whereabouts.answers(common.settings().data):
        err.print("a server runs on this bank: until the rebuild is done, its callers find only part of what is kept")
    with bank_of(common) as bank, progress_bar("entering") as progress:
        rebuilt = reindexing.reindex(bank, progress)
    say(common, [{"objects": rebuilt.objects}], ("objects",))
    for text in rebuilt.unreadable:
        err.print(f"cannot be read: {text}", markup=False)
    return ALL_WELL if not rebuilt.unreadable else NOT_WELL
