"""What a site has made ready before somebody reads: how many priors, which go to which reading station when, and which come from elsewhere."""

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from imagebank.exams.table_files import read_table

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Hour = Annotated[int, msgspec.Meta(ge=0, le=24)]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A standing rule for priors of exams of these modalities and departments, of all where none is named.

    Within these hours of the site's clock, and so many studies and bytes a day at most.
    """

    modalities: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    from_hour: _Hour = 0
    until_hour: _Hour = 24
    studies_a_day: _Count = 200
    bytes_a_day: _Count = 20 << 30

    def is_for(self, modalities: frozenset[str], departments: frozenset[str]) -> bool:
        """Whether priors of such an exam go there. A rule that names departments is for no exam that names none."""
        return (not self.modalities or bool(self.modalities & modalities)) and (
            not self.departments or bool(self.departments & departments)
        )

    def opens(self, now: datetime) -> datetime:
        """The first moment from now, on the site's clock, at which the hours permit; now where they do."""
        span = (self.until_hour - self.from_hour) % 24
        if not span or (now.hour - self.from_hour) % 24 < span:
            return now
        start = now.replace(hour=self.from_hour % 24, minute=0, second=0, microsecond=0)
        return start if start > now else start + timedelta(days=1)


class Push(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Priors go to a device."""

    device: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class Fetch(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Priors that another archive holds are fetched from there."""

    archive: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Prefetching(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's table. `priors` are made ready of each exam, with so many `pictures` each; none where it is 0.

    Of a patient who comes without an order so many exams are, as `admitted` says, that are no older than that.
    """

    priors: Annotated[int, msgspec.Meta(ge=0, le=20)]
    warm: bool
    warm_a_day: _Count
    fresh_days: _Count
    again_days: Annotated[int, msgspec.Meta(ge=1, le=365)]
    pictures: _Count = 16
    admitted: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    admitted_days: _Count = 1095
    push: tuple[Push, ...] = ()
    fetch: tuple[Fetch, ...] = ()

    def of(self, archive: str) -> Fetch | None:
        """The first rule of an archive."""
        return next((one for one in self.fetch if one.archive == archive), None)

    def to(self, device: str) -> Push | None:
        """The first rule of a device."""
        return next((one for one in self.push if one.device == device), None)


@lru_cache(maxsize=4)
def prefetching(file: Path | None) -> Prefetching:
    """The table of a file, or the one that is built in. Raises Invalid and SettingsError as `read_table` does."""
    return read_table(file, "prefetching.toml", Prefetching)
