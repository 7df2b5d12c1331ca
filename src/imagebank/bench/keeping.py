"""What it costs to keep: memory, CPU time until nothing is left to do, bytes at rest."""

from typing import Final

from imagebank.bench import footprint, ingesting
from imagebank.bench.work import Reading, Work

CT: Final = ("series", "devices", "request", "clients")


def begun(work: Work) -> None:
    """Note what an empty archive has taken."""
    work.noted["cpu"] = work.cpu()
    work.noted["rest"] = float(footprint.bytes_at_rest(work.archive.folders))


def settled(work: Work) -> Reading:
    """CPU time of all that came in so far, with what is done about it afterwards."""
    work.settle()
    return Reading((work.cpu() - work.noted["cpu"]) / _count(work) * 1000, 0)


def small_studies(work: Work) -> Reading:
    """CPU time of studies of one small image each, with what is done about them afterwards."""
    before, count = work.cpu(), len(work.corpus.of("small"))
    ingesting.bring(work, "small")
    work.settle()
    return Reading((work.cpu() - before) / count * 1000, 0)


def at_rest(work: Work) -> Reading:
    sent = sum(item.size for part in work.present for item in work.corpus.of(part))
    return Reading((footprint.bytes_at_rest(work.archive.folders) - work.noted["rest"]) / sent, 0)


def at_rest_when_old(work: Work) -> Reading:
    """The same once the archive has done with it what it does with old objects."""
    work.archive.compress()
    return at_rest(work)


def memory(work: Work) -> Reading:
    return Reading(work.peak.bytes / (1 << 20), 0)


def _count(work: Work) -> int:
    return sum(len(work.corpus.of(part)) for part in work.present)
