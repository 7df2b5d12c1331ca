"""The rows of the table: what is measured, in which unit, and how far ahead of the peer this bank is to be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.bench import ingesting, keeping, querying, retrieving
from imagebank.bench.work import Reading, Work

RATE, TIME, SIZE = "instances/s", "ms", "MiB"


@dataclass(frozen=True, slots=True)
class Row:
    """`words` may hold {series}, the number of slices of the large series, and {small}, that of small studies.

    `goal` is how many times as good as the peer this bank is to be. `needs` are parts of the corpus that have to be in
    before; what a row brings in itself is `brings`.
    """

    name: str
    words: str
    unit: str
    goal: float
    measure: Callable[[Work], Reading]
    needs: Sequence[str] = ()
    brings: Sequence[str] = ()

    @property
    def more_is_better(self) -> bool:
        return self.unit.endswith("/s")


_INDEX: Final = ("small", "mr", "series")

ROWS: Final = (
    Row("store-1", "C-STORE of CT, one association", RATE, 3, ingesting.store_series, (), ("series",)),
    Row("store-4", "C-STORE of CT, four associations", RATE, 2.5, ingesting.store_devices, (), ("devices",)),
    Row("stow-1", "STOW-RS of CT, ten a request, one client", RATE, 4, ingesting.stow_request, (), ("request",)),
    Row("stow-4", "STOW-RS of CT, ten a request, four clients", RATE, 4, ingesting.stow_clients, (), ("clients",)),
    Row("settled", "CPU until nothing is left to do, CT", "ms/instance", 1, keeping.settled, keeping.CT),
    Row("rest", "bytes at rest for each byte sent, CT", "bytes", 2.2, keeping.at_rest, keeping.CT),
    Row(
        "settled-small",
        "CPU of a new small study, all that follows too",
        "ms/study",
        1,
        keeping.small_studies,
        (),
        ("small",),
    ),
    Row("qido-patient", "QIDO, studies of a PatientID", TIME, 4, querying.patient, _INDEX),
    Row("qido-name", "QIDO, studies by name with a wildcard", TIME, 4, querying.name, _INDEX),
    Row("qido-date", "QIDO, studies of a day", TIME, 4, querying.day, _INDEX),
    Row("qido-first", "QIDO, first 50 studies", TIME, 4, querying.first_fifty, _INDEX),
    Row("qido-instances", "QIDO, {series} instances of a series", TIME, 20, querying.instances, _INDEX),
    Row("find-study", "C-FIND, study by PatientID", TIME, 2, querying.find_study, _INDEX),
    Row("find-instances", "C-FIND, {series} instances of a series", TIME, 2, querying.find_instances, _INDEX),
    Row("metadata", "WADO-RS, metadata of {series} slices", TIME, 20, retrieving.metadata, ("series",)),
    Row("frame", "one frame of CT", TIME, 2, retrieving.frame, ("series",)),
    Row("frames-16", "frames of CT, sixteen clients", "frames/s", 4, retrieving.frames, ("series",)),
    Row("frame-loop", "one frame of a raw loop of 60", TIME, 40, retrieving.frame_of_loop, ("us",)),
    Row("study", "whole study of {series} by WADO-RS", "MB/s", 1, retrieving.study, ("series",)),
    Row("get", "C-GET of {series}", RATE, 1, retrieving.get, ("series",)),
    Row("move", "C-MOVE of {series}", RATE, 1, retrieving.move, ("series",)),
    Row("rendered-ct", "CT as JPEG, first time", TIME, 2, retrieving.rendered_ct, ("series",)),
    Row("rendered-ct-again", "CT as JPEG, again", TIME, 10, retrieving.rendered_ct_again, ("series",)),
    Row("rendered-dx", "DX of 2048² as JPEG, first time", TIME, 2, retrieving.rendered_dx, ("dx",)),
    Row("rendered-dx-again", "DX of 2048² as JPEG, again", TIME, 10, retrieving.rendered_dx_again, ("dx",)),
    Row("memory", "most memory of all processes (PSS)", SIZE, 1, keeping.memory),
    Row(
        "rest-old",
        "bytes at rest for each byte sent, once it is old",
        "bytes",
        2.2,
        keeping.at_rest_when_old,
        keeping.CT,
    ),
)


def named(names: Sequence[str]) -> list[Row]:
    """The rows of these names in the table's order; all without names. Raises KeyError for a name that no row has."""
    known = {row.name: row for row in ROWS}
    wanted = {known[name].name for name in names} or set(known)
    return [row for row in ROWS if row.name in wanted]
