"""`imagebank bench`: this bank and Orthanc, measured side by side."""

from pathlib import Path
from typing import Literal

from imagebank.cli.console import WrongUsage


def bench(
    *,
    out: Path = Path("imagebank-bench"),
    rows: str = "",
    runs: int = 3,
    scale: float = 1.0,
    quick: bool = False,
    seed: int = 1,
    database: Literal["sqlite", "postgresql"] = "sqlite",
    objects: Literal["files", "s3", "s3-journal"] = "files",
    alone: bool = False,
    into: Path | None = None,
    within: Path | None = None,
) -> int:
    """Measure this bank and Orthanc on this machine, and write a table of how many times as good we are.

    Both run on loopback, with synced writes, and are asked for the same by the same clients, row by row in turns; every
    answer is looked at. On a quiet machine it takes some twelve minutes, and 6 GB of disk; nothing stays but its
    results. It needs dcmtk, and Orthanc with its DICOMweb plugin: apt-get install dcmtk orthanc orthanc-dicomweb

    Example: imagebank bench --quick
    Example: imagebank bench --rows store-1,store-4,qido-first --runs 5
    Example: imagebank bench --database postgresql --objects s3 --out results

    Parameters
    ----------
    out
        The folder of the results: a table in Markdown, all figures in JSON, a picture as SVG.
    rows
        Which rows, with commas; all without it.
    runs
        How many rounds; each begins with empty archives.
    scale
        Size of the corpus; 1 is a series of 1,000 slices and 2,000 small studies, 1.2 GB in all.
    quick
        A tenth of the corpus and little time for each row: a few minutes, for orientation.
    seed
        What the corpus is made from.
    database
        What this bank keeps its index in.
    objects
        What this bank keeps its objects in; s3-journal answers once its own disk has them.
    alone
        Without Orthanc.
    into
        A document with a place for the table; it is replaced there.
    within
        The folder for everything that is not kept; the system's own for such without it. It belongs on the disk that is
        to be measured.
    """
    from imagebank.bench import archives, dcmtk, guard
    from imagebank.bench.plan import QUICK_SCALE, Plan
    from imagebank.bench.rows import ROWS, named

    names = tuple(name.strip() for name in rows.split(",") if name.strip())
    try:
        named(names)
    except KeyError as error:
        raise WrongUsage(f"no row is called {error}; the rows are {', '.join(row.name for row in ROWS)}") from None
    if runs < 1 or scale <= 0:
        raise WrongUsage("there is at least one round, and the scale is above 0")
    if missing := [*dcmtk.missing(), *([] if alone or archives.orthanc_is_there() else ["Orthanc"])]:
        raise WrongUsage(
            f"{', '.join(missing)} cannot be found; apt-get install dcmtk orthanc orthanc-dicomweb, or --alone without it"
        )
    plan = Plan(
        out=out.resolve(),
        into=into.resolve() if into else None,
        rows=names,
        runs=runs,
        scale=scale * QUICK_SCALE if quick else scale,
        seed=seed,
        seconds=0.5 if quick else 2.0,
        database=database,
        objects=objects,
        alone=alone,
    )
    return guard.run(guard.program(plan.written()), within)
