"""What a quick look shows: the stacks of a study that can be chosen, and for a pane one of them, image by image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.actions import first_looks, renditions, retrieve, search
from imagebank.bank import Bank
from imagebank.errors import BankError, NotFound
from imagebank.model.access import Principal
from imagebank.model.attribute import Level
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.stack import Link
from imagebank.model.uid import Uid
from imagebank.portal import launch, wording
from imagebank.portal.language import gettext
from imagebank.portal.rows import StudyRow, study_row

_SECOND_MS: Final = 1000
_USUAL_RATE: Final = 10
_FASTEST: Final = 30
"""Images a second that a film is played with at most."""
Window = tuple[float, float]
"""Centre and width, in the units of the modality."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Images that are gone through one by one: a series, or one film of it. `key` is what an address names it by."""

    key: str
    name: str
    pictures: tuple[Instance, ...]
    modality: str
    is_for_viewer: bool

    @property
    def many(self) -> int:
        return sum(frames_of(one) for one in self.pictures)


@dataclass(frozen=True, slots=True)
class Pane:
    """One stack on the page, at image `at` of it, from 0. `window` is None where the image names none.

    `rate` is how many images a second a film has; `links` name for each image the one that the other pane shows with it,
    `link` how that is known.
    """

    study: StudyRow
    is_current: bool
    choices: tuple[Choice, ...]
    chosen: Choice
    at: int
    window: Window | None
    rate: float
    links: tuple[int, ...] = ()
    link: Link = Link.SHARE

    @property
    def runs(self) -> list[tuple[str, int, str]]:
        """Where the frames of each object are, how many it has, and how each is wanted."""
        return [(_resource(one), frames_of(one), _wish(one)) for one in self.chosen.pictures]

    def picture(self, window: Window | None = None) -> str:
        """The address of the image, as the page first shows it."""
        left = self.at
        for resource, frames, wish in self.runs:
            if left < frames:
                return f"{resource}/frames/{left + 1}/rendered?{wish}{window_part(window)}"
            left -= frames
        raise NotFound("there is no such image here")


def window_part(window: Window | None) -> str:
    """What a picture's address says of a window (PS3.18 8.3.5.1.4)."""
    return f"&window={window[0]:g},{window[1]:g},linear" if window else ""


def frames_of(picture: Instance) -> int:
    return picture.pixels.frames if picture.pixels else 0


def _wish(one: Instance) -> str:
    rendering = renditions.look_at(one, 1)
    size = rendering.viewport
    return f"quality={rendering.quality}" + (f"&viewport={size.columns},{size.rows}" if size else "")


def _resource(one: Instance) -> str:
    return f"/dicom-web/studies/{one.study}/series/{one.series}/instances/{one.uid}"


def pictures(bank: Bank, principal: Principal, study: Uid, way: str, address: str) -> list[Instance]:
    """The pictures of a study that the caller may see; the look stands in the ledger. Raises NotAllowed, NotFound."""
    instances = retrieve.select(bank, Selection(study), principal.scope)
    # Once for the study: each image that is shown is told by itself.
    retrieve.reading(bank, principal, instances[:1], way, address)
    return [one for one in instances if launch.kind_of(one) is launch.Kind.PICTURE and frames_of(one)]


def choices(bank: Bank, principal: Principal, study: Uid, shown: Sequence[Instance]) -> tuple[Choice, ...]:
    """What can be chosen, in the order of the series: a film is chosen by itself, other images by their series."""
    rows = search.of_studies(bank, [study], principal.scope, Level.SERIES)
    named = {wording.text(one.attributes, "0020000E"): one.attributes for one in rows}
    by_series: dict[Uid, list[Instance]] = {}
    for picture in shown:
        by_series.setdefault(picture.series, []).append(picture)
    return tuple(
        choice for series, members in by_series.items() for choice in _of_series(series, members, named.get(series, {}))
    )


def _of_series(series: Uid, members: Sequence[Instance], row: DataSet) -> Iterator[Choice]:
    parts = [(_key(series, some), some) for some in first_looks.stacks(members)]
    modality = wording.text(row, "00080060")
    for place, (key, some) in enumerate(parts, 1):
        part = "" if len(parts) == 1 else f" ({place})"
        yield Choice(key, _called(row) + part, some, modality, all(map(launch.is_drawn_alone, some)))


def _key(series: Uid, some: Sequence[Instance]) -> str:
    return str(series) if frames_of(some[0]) == 1 else f"{series},{some[0].uid}"


def _called(row: DataSet) -> str:
    number, said = wording.text(row, "00200011"), wording.text(row, "0008103E")
    if said:
        return said
    return gettext("Series %(number)s") % {"number": number} if number else gettext("Series without a description")


def chosen_of(found: Sequence[Choice], key: str) -> Choice:
    """The one that an address names; else that with the most images, of those that the viewer shows, too."""
    named = next((one for one in found if one.key == key or one.key.partition(",")[0] == key), None)
    return named or max(found, key=lambda one: (one.is_for_viewer, one.many))


def pane_of(
    bank: Bank, principal: Principal, found: tuple[Choice, ...], chosen: Choice, at: int | None, *, is_current: bool
) -> Pane:
    """A pane at an image, counted from 0; in the middle where none is named, at the last one beyond the end."""
    middle = (chosen.many - 1) // 2
    header = _header(bank, chosen.pictures[(len(chosen.pictures) - 1) // 2])
    return Pane(
        study_row(bank, chosen.pictures[0].study, principal.scope),
        is_current,
        found,
        chosen,
        min(middle if at is None else at, chosen.many - 1),
        _window(header),
        _rate(header),
    )


def _header(bank: Bank, picture: Instance) -> DataSet:
    try:
        return retrieve.attributes(bank, picture)
    except BankError:
        return {}


def _window(header: DataSet) -> Window | None:
    center, width = _number(header, "00281050"), _number(header, "00281051")
    return (center, width) if center is not None and width is not None and width >= 1 else None


def _rate(header: DataSet) -> float:
    """Recommended Display Frame Rate, Cine Rate or Frame Time (PS3.3 C.7.6.5), as far as a page can play it."""
    time = _number(header, "00181063")
    said = [_number(header, "00082144"), _number(header, "00180040"), _SECOND_MS / time if time else None]
    return min(next((rate for rate in said if rate and rate > 0), _USUAL_RATE), _FASTEST)


def _number(header: Mapping[str, object], key: str) -> float | None:
    try:
        return float(wording.text(header, key))  # type: ignore[arg-type]
    except ValueError:
        return None
