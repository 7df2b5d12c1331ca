"""How instances become rows, with their series, studies and patients, and every counter kept true."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from sqlalchemy import Connection, Table, insert, select, update

from imagebank.errors import Unavailable
from imagebank.model.attribute import Catalogue, Level
from imagebank.model.imaging import Description, Kept, Outcome
from imagebank.model.note import OTHER_CONTENT, OTHER_ORGANIZATION
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports import Entered
from imagebank.storage import tables
from imagebank.storage.corrections import is_superseded
from imagebank.storage.database import is_race, lock_studies
from imagebank.storage.delays import name_series, types_of
from imagebank.storage.growth import Branch, distinct, several, write_values
from imagebank.storage.ownership import Holder, holder_of_instance, holder_of_series, is_open_to
from imagebank.storage.quarantine import equal_copy, lay_aside
from imagebank.storage.removal import Touched, drop_empty, drop_empty_patients, modalities, take_rows
from imagebank.storage.rows import (
    TEXT_LIMIT,
    clean,
    instance_columns,
    micros,
    pack_digest,
    pack_pixels,
    pack_set,
    unpack_set,
)
from imagebank.storage.segments import Segments
from imagebank.storage.standing import (
    COUNT_SERIES,
    COUNT_STUDY,
    INSERT,
    HeldRow,
    SeriesRow,
    StudyRow,
    add_former,
    evidence,
    held_rows,
    lies_at,
    series_row_of,
    study_row_of,
)
from imagebank.storage.tables import INSTANCE_COLUMNS, PATIENT_COLUMNS, SERIES_COLUMNS, STUDY_COLUMNS

Duplicates = Literal["refuse", "revise"]
Values = Mapping[str, tuple[str, ...]]

_ATTEMPTS: Final = 5
_PATIENT_KEYS: Final = tuple(a.key for a in PATIENT_COLUMNS)

OTHER_PATIENT: Final = "the study already names another patient; the instance is kept under the study's first patient"
OLDER_VERSION: Final = "a newer version of this instance is held already; this one is kept as a former version"
OTHER_STUDY: Final = "its Series Instance UID belongs to another study already"
LONG_IDENTIFIER: Final = f"its patient identifier or issuer is longer than {TEXT_LIMIT} characters"


def enter(
    connection: Connection, catalogue: Catalogue, duplicates: Duplicates, segments: Segments, kept: Sequence[Kept]
) -> list[Entered]:
    """What became of each. Raises Unavailable when other writers were quicker time and again."""
    if connection.dialect.name == "sqlite":
        return _Entry(connection, catalogue, duplicates, segments).enter(kept)
    for _ in range(_ATTEMPTS):
        try:
            with connection.begin_nested():
                lock_studies(connection, {item.description.study for item in kept})
                return _Entry(connection, catalogue, duplicates, segments).enter(kept)
        except Exception as error:
            segments.forget()
            if not is_race(error):
                raise
    raise Unavailable("too many writers want the same rows; nothing of this was kept, try again")


@dataclass(slots=True)
class _Place:
    """The study or series that instances are being entered into."""

    id: int
    is_new: bool
    series_count: int = 0
    instance_count: int = 0
    version: int = 0
    modality: str = ""
    modalities: str = ""
    sop_classes: str = ""


@dataclass(slots=True)
class _Entry:
    """The entering of one batch."""

    connection: Connection
    catalogue: Catalogue
    duplicates: Duplicates
    segments: Segments
    results: dict[int, Entered] = field(default_factory=dict)
    touched: Touched = field(default_factory=list)

    def enter(self, kept: Sequence[Kept]) -> list[Entered]:
        for run in _runs(kept):
            families: dict[tuple[Uid, Uid, str], dict[int, Kept]] = {}
            for index, item in run.items():
                key = (item.description.study, item.description.series, item.source.organization)
                families.setdefault(key, {})[index] = item
            for (study, series, organization), family in families.items():
                self._enter_family(study, series, organization, family)
        if self.touched:
            drop_empty(self.connection, self.touched)
        return [self.results[index] for index in range(len(kept))]

    def _enter_family(self, study: Uid, series: Uid, organization: str, family: dict[int, Kept]) -> None:
        """Enter the instances of one series from one organization."""
        study_row, series_row = self._above(study, series)
        if study_row is not None and study_row.organization != organization:
            family = self._guests(study_row, family)
        if series_row is not None and (study_row is None or series_row.study_row != study_row.id):
            # Looked at first: what is held gives way only to what is taken in.
            holder = holder_of_series(self.connection, series_row.study_row)
            for index, item in family.items():
                is_open = is_open_to(self.connection, item, holder)
                self._lay_aside(index, item, OTHER_STUDY if is_open else OTHER_ORGANIZATION)
            return
        touched = len(self.touched)
        family = self._without_held(family)
        if not family:
            return
        if len(self.touched) > touched:
            study_row, series_row = self._above(study, series)
        family = dict(sorted(family.items(), key=lambda pair: _rank(pair[1])))
        above = self._grow_study(study_row, family)
        place = self._grow_series(above, series_row, family)
        if types := types_of(family.values()):
            name_series(self.connection, place.id, types, next(iter(family.values())).received_at)
        self._insert(place, family)
        self._count(above, place, family)

    def _guests(self, row: StudyRow, family: Mapping[int, Kept]) -> dict[int, Kept]:
        """Lay aside what may not join a study of another organization; the rest of these instances."""
        guests, holder = {}, Holder(row.id, row.organization)
        for index, item in family.items():
            if is_open_to(self.connection, item, holder):
                guests[index] = item if item.sees is None else replace(item, is_guest=True)
            else:
                self._lay_aside(index, item, OTHER_ORGANIZATION)
        return guests

    def _above(self, study: Uid, series: Uid) -> tuple[StudyRow | None, SeriesRow | None]:
        return study_row_of(self.connection, study), series_row_of(self.connection, series)

    def _without_held(self, family: dict[int, Kept]) -> dict[int, Kept]:
        """Deal with instances that are held already and with impossible ones; the rest is new."""
        held = held_rows(self.connection, [item.description.uid for item in family.values()])
        new = {}
        for index, item in family.items():
            row = held.get(item.description.uid)
            if item.aside:
                self._lay_aside(index, item, item.aside)
            elif _is_too_long(item.description.patient):
                self._lay_aside(index, item, LONG_IDENTIFIER)
            elif row is None or self._gives_way(index, item, row):
                new[index] = item
        return new

    def _gives_way(self, index: int, item: Kept, row: HeldRow) -> bool:
        """Compare with the instance that is held. True when that one was taken out, lost or a former version now."""
        holder = holder_of_instance(self.connection, row.id)
        if not is_open_to(self.connection, item, holder):
            self._lay_aside(index, item, OTHER_ORGANIZATION)
            return False
        place = self.segments.columns(item.location)
        is_same_record = lies_at(row, place)
        is_lost = item.in_place_of is not None and lies_at(row, self.segments.columns(item.in_place_of))
        if not is_lost and (is_same_record or row.content_digest == pack_digest(item.content_digest)):
            self.results[index] = Entered(Outcome.DUPLICATE, is_spare=not is_same_record)
            return False
        if not item.correction and is_superseded(
            self.connection, item.description.uid, pack_digest(item.content_digest)
        ):
            self.results[index] = Entered(Outcome.DUPLICATE, is_spare=True)
            return False
        may_replace = is_lost or self.duplicates == "revise"
        # Nobody but the owner of a study may put something in the place of what it holds; a correction was allowed.
        is_owner = holder.organization == item.source.organization
        if not (item.correction or (may_replace and is_owner)):
            self._lay_aside(index, item, OTHER_CONTENT)
            return False
        if not is_lost:
            if micros(item.received_at) < row.received_at:
                add_former(self.connection, place | evidence(item))
                self.results[index] = Entered(Outcome.STORED, (OLDER_VERSION,))
                return False
            former = {name: value for name, value in row._asdict().items() if name != "id"}
            add_former(self.connection, former | {"superseded_by": item.correction})
        # What became empty may fill again: attributes that the former version gave stay, in whatever order
        # instances of other names come meanwhile.
        self.touched += take_rows(self.connection, [row.id])
        return True

    def _lay_aside(self, index: int, item: Kept, reason: str) -> None:
        copy = equal_copy(self.connection, self.segments, item)
        if copy is not None:
            self.results[index] = Entered(Outcome.QUARANTINED, (), copy, reason, is_spare=True)
            return
        number = lay_aside(
            self.connection,
            self.segments,
            reason,
            item.name,
            item.source,
            item.received_at,
            item.location,
            item.digest,
            item.description.uid,
            item.sealed_by,
        )
        self.results[index] = Entered(Outcome.QUARANTINED, (), number, reason)

    def _grow_study(self, row: StudyRow | None, family: Mapping[int, Kept]) -> _Place:
        branch = Branch.of_row(row.json, row.origins) if row else Branch()
        patient = PatientId(row.issuer, row.identifier) if row else None
        organization = row.organization if row else ""
        for index, item in family.items():
            about, rank = item.description, _rank(item)
            declared = self._declared(about)
            # A guest founds only what nobody of the owner's is in any more.
            if not (item.is_guest and branch.is_founded) and branch.found(rank):
                if patient not in (None, about.patient):
                    branch.forget(_PATIENT_KEYS)
                patient, organization = about.patient, item.source.organization
            is_same = about.patient == patient
            if is_same:
                branch.take(about.levels[Level.PATIENT], declared[Level.PATIENT], rank)
            branch.take(about.levels[Level.STUDY], declared[Level.STUDY], rank)
            names_other = bool(about.patient.identifier) and not is_same
            self.results[index] = Entered(
                Outcome.STORED, (OTHER_PATIENT,) if names_other else (), has_joined=item.is_guest
            )
        if row is not None and not branch.changed:
            return _study_place(row.id, row)
        assert patient is not None
        first = next(iter(family))
        if patient.identifier:
            self.results[first] = replace(self.results[first], tells_of_patient=True)
        return self._write_study(row, branch, patient, organization, family[first].description.study)

    def _write_study(
        self, row: StudyRow | None, branch: Branch, patient: PatientId, organization: str, uid: Uid
    ) -> _Place:
        patient_row = self._patient_row(patient, uid)
        values = branch.columns(PATIENT_COLUMNS + STUDY_COLUMNS)
        values |= {"patient_row": patient_row, "organization": organization, "study_instance_uid": uid}
        number = self._write(tables.study, row.id if row else None, values)
        if row is not None and row.patient_row != patient_row:
            drop_empty_patients(self.connection, [row.patient_row])
        write_values(self.connection, Level.STUDY, number, branch.values(PATIENT_COLUMNS + STUDY_COLUMNS))
        return _study_place(number, row)

    def _patient_row(self, patient: PatientId, study: Uid) -> int:
        key = {
            "issuer": clean(patient.issuer),
            "identifier": clean(patient.identifier),
            "anchor": "" if patient.identifier else study,
        }
        rows = tables.patient
        wanted = select(rows.c.id).where(*(rows.c[name] == value for name, value in key.items()))
        number = self.connection.scalar(wanted)
        return number or self._write(rows, None, key)

    def _grow_series(self, study: _Place, row: SeriesRow | None, family: Mapping[int, Kept]) -> _Place:
        branch = Branch.of_row(row.json, row.origins) if row else Branch()
        for item in family.values():
            about = item.description
            branch.take(about.levels[Level.SERIES], self._declared(about)[Level.SERIES], _rank(item))
        if row is not None and not branch.changed:
            return _Place(row.id, False, 0, row.instance_count, row.version, row.modality)
        first = next(iter(family.values()))
        values = branch.columns(SERIES_COLUMNS)
        values["series_instance_uid"] = first.description.series
        # A version is never used twice for a series UID, also when the series was removed and comes again.
        version = row.version if row else micros(first.received_at)
        number = self._write(tables.series, row.id if row else None, values | {"study_row": study.id})
        write_values(self.connection, Level.SERIES, number, branch.values(SERIES_COLUMNS))
        if row is not None and row.modality not in ("", values["modality"]):
            study.modalities = modalities(self.connection, study.id)
        count = row.instance_count if row else 0
        return _Place(number, row is None, 0, count, version, values["modality"])

    def _write(self, table: Table, number: int | None, values: Mapping[str, Any]) -> int:
        if number is None:
            new: int = self.connection.scalars(insert(table).values(**values).returning(table.c.id)).one()
            return new
        self.connection.execute(update(table).where(table.c.id == number).values(**values))
        return number

    def _insert(self, series: _Place, family: Mapping[int, Kept]) -> None:
        rows = [self._row(series.id, item) for item in family.values()]
        INSERT.run_many(self.connection, rows)
        for item in family.values():
            about = item.description
            values = {key: distinct(forms) for key, forms in self._declared(about)[Level.INSTANCE].items()}
            values |= dict(several(INSTANCE_COLUMNS, about.levels[Level.INSTANCE]))
            if values:
                owner = select(tables.instance.c.id).where(tables.instance.c.sop_instance_uid == about.uid)
                write_values(self.connection, Level.INSTANCE, self.connection.scalars(owner).one(), values)

    def _row(self, series: int, item: Kept) -> dict[str, Any]:
        about = item.description
        return (
            instance_columns(about.levels[Level.INSTANCE])
            | self.segments.columns(item.location)
            | evidence(item)
            | {
                "series_row": series,
                "sop_class_uid": about.sop_class,
                "transfer_syntax": about.transfer_syntax,
                "dataset_offset": about.dataset_offset,
                "pixels": pack_pixels(about.pixels),
            }
        )

    def _count(self, study: _Place, series: _Place, family: Mapping[int, Kept]) -> None:
        classes = {*unpack_set(study.sop_classes), *(item.description.sop_class for item in family.values())}
        COUNT_STUDY.run(
            self.connection,
            {
                "row": study.id,
                "series_count": study.series_count + series.is_new,
                "instance_count": study.instance_count + len(family),
                "modalities": pack_set({*unpack_set(study.modalities), series.modality}),
                "sop_classes": pack_set(classes),
            },
        )
        COUNT_SERIES.run(
            self.connection,
            {
                "row": series.id,
                "instance_count": series.instance_count + len(family),
                "version": _version(series, family),
            },
        )

    def _declared(self, about: Description) -> tuple[Values, Values, Values, Values]:
        """The declared attributes of an instance by level, under their keys."""
        if not about.declared:
            return _NOTHING
        levels: tuple[dict[str, tuple[str, ...]], ...] = ({}, {}, {}, {})
        for path, forms in about.declared.items():
            attribute = self.catalogue.by_path.get(path)
            if attribute is not None:
                levels[attribute.level][attribute.key] = forms
        return levels[0], levels[1], levels[2], levels[3]


_NOTHING: Final[tuple[Values, Values, Values, Values]] = ({}, {}, {}, {})


def _study_place(number: int, row: StudyRow | None) -> _Place:
    if row is None:
        return _Place(number, is_new=True)
    return _Place(
        number,
        False,
        row.series_count,
        row.instance_count,
        modalities=row.modalities,
        sop_classes=row.sop_classes,
    )


def _runs(kept: Sequence[Kept]) -> Iterator[dict[int, Kept]]:
    """Parts of a batch in which no SOP Instance UID comes twice, so that the second meets the row of the first."""
    run: dict[int, Kept] = {}
    seen: set[str] = set()
    for index, item in enumerate(kept):
        if item.description.uid in seen:
            yield run
            run, seen = {}, set()
        run[index] = item
        seen.add(item.description.uid)
    if run:
        yield run


def _rank(item: Kept) -> tuple[int, str]:
    return micros(item.received_at), item.description.uid


def _version(series: _Place, family: Mapping[int, Kept]) -> int:
    """Above the last one, and the newest receipt at least: a rebuild then never gives one that named fewer instances."""
    return max(series.version + 1, *(micros(item.received_at) for item in family.values()))


def _is_too_long(patient: PatientId) -> bool:
    return len(patient.identifier) > TEXT_LIMIT or len(patient.issuer) > TEXT_LIMIT
