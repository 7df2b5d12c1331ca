"""`imagebank compress`: objects in less room."""

from datetime import timedelta

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, progress_bar, tell


def compress(*, common: Common = HERE, older_than: float | None = None, at_once: bool = False) -> int:
    """Keep native pixels as HTJ2K now, and say what all of it saves; a worker does so by itself, day by day.

    Every byte comes back: a compressed object is held against the digest with which it arrived before the record as it
    came goes. Which objects are meant, `compress_modalities` and `compress_min_bytes` say. It may run beside a server.

    Example: imagebank compress --data /srv/imagebank
    Example: imagebank compress --older-than 0

    Parameters
    ----------
    older_than
        Days since they came; `compress_after_days` without it.
    at_once
        Let records as they came go now, not a day later: whoever is reading one, is cut off.
    """
    from imagebank.actions import compress as compressing

    with bank_of(common) as bank, progress_bar("looking through") as progress:
        days = max(bank.settings.compress_after_days if older_than is None else older_than, 0)
        grace = timedelta() if at_once else compressing.GRACE
        found = compressing.Step(0)
        seen = done = 0
        while not found.is_all:
            found = compressing.step(bank, found.last, older_than=timedelta(days=days), grace=grace)
            seen, done = seen + found.seen, done + found.done
            progress(seen, 0)
        saved = bank.index.compression.saved()
    part = saved.takes / saved.came if saved.came else 1.0
    tell(
        common,
        f"{done} of {seen} objects were compressed now; {saved.objects} are in all, "
        f"whose {saved.came:,} bytes take {saved.takes:,} ({part:.0%})",
        seen=seen,
        compressed=done,
        objects=saved.objects,
        bytes_as_they_came=saved.came,
        bytes_taken=saved.takes,
    )
    return ALL_WELL
