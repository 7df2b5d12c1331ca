"""Scope → SQL: what a study must be to be seen. Part of `select`; nothing else turns a scope into SQL.

The text of a condition depends on the shape of a scope alone, and its values are named parameters, so that the
statements that read single frames are compiled once for each shape.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final, cast

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Integer,
    Text,
    TextClause,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import BindTyping

from imagebank.model.access import Clause, Role, Scope
from imagebank.model.provision import BESIDE_IMAGES, DOCUMENTS, Kind
from imagebank.storage import tables
from imagebank.storage.provisions import linked_to, of_linked
from imagebank.storage.sets import among, one_of
from imagebank.storage.shape import Parts, Shape, delay_moments, shape_of, values_of
from imagebank.storage.waiting import lengths_of, waits

_STUDY, _SERIES, _LABEL = tables.study, tables.series, tables.label
# Constants stand in the text: the driver is given the values of a scope and no others.
_NOTHING: Final[ColumnElement[str]] = literal_column("''", Text)
_NEVER: Final[ColumnElement[int]] = literal_column("0", Integer)
_ONE: Final[ColumnElement[int]] = literal_column("1", Integer)
_SEPARATOR: Final[ColumnElement[str]] = literal_column(r"'\'", Text)
_LATER: Final[Mapping[str, Any]] = MappingProxyType({})
_GIVEN: Final = (Kind.CONSENT, Kind.GRANT, Kind.HOLDING, Kind.CARD)
_DIALECTS: Final[Mapping[str, type[DefaultDialect]]] = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def is_visible(shape: Shape, dialect: str) -> list[ColumnElement[bool]]:
    """What a study must be to be visible, with named parameters. A study is visible as a whole or not at all."""
    sight = _Sight(dialect, has_heeded=shape.has_heeded)
    conditions = [sight.among(_STUDY.c.study_instance_uid, "studies")] if shape.has_studies else []
    if shape.patients is not None:
        conditions.append(sight.is_of(shape.patients))
    is_open = not (shape.has_organizations or shape.denies or shape.has_asker)
    return conditions if is_open else [*conditions, sight.is_let_out(shape)]


def visible_to(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """The same with a scope's values in it. The text is kept for each shape: to write it takes longer than to ask."""
    written = _written(shape_of(scope), dialect)
    return (
        [] if written is None else [cast("ColumnElement[bool]", written.bindparams(**dict(values_of(scope, dialect))))]
    )


@cache
def _written(shape: Shape, dialect: str) -> TextClause | None:
    conditions = is_visible(shape, dialect)
    if not conditions:
        return None
    plain = _DIALECTS[dialect](paramstyle="named")
    plain.bind_typing = BindTyping.NONE  # the types go with the names below
    whole = select(_ONE).select_from(_STUDY).where(*conditions).compile(dialect=plain)
    names = (bindparam(name, type_=each.type) for name, each in whole.binds.items())
    return text(f"({str(whole).partition('WHERE ')[2]})").bindparams(*names)


@dataclass(frozen=True, slots=True)
class _Sight:
    """Writes conditions for one database, with named parameters."""

    dialect: str
    has_heeded: bool

    def among(self, of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return among(self.dialect, of, name)

    def bind(self, name: str) -> BindParameter[Any]:
        return bindparam(name)

    def is_of(self, patients: int) -> ColumnElement[bool]:
        """Whether a study is of one of so many patients. The database begins there, and not at every study."""
        rows = tables.patient.c
        named = [
            and_(
                rows.issuer == self.bind(f"patient_{n}_issuer"), rows.identifier == self.bind(f"patient_{n}_identifier")
            )
            for n in range(patients)
        ]
        # Of nobody is no constant: SQLAlchemy would leave the rest out of the text, with its parameters.
        return _STUDY.c.patient_row.in_(select(rows.id).where(or_(*named))) if named else _ONE == _NEVER

    def is_let_out(self, shape: Shape) -> ColumnElement[bool]:
        permitted = [self.among(_STUDY.c.organization, "organizations") if shape.has_organizations else true()]
        permitted += [self._holds(each, f"permit_{n}", permits=True) for n, each in enumerate(shape.permits)]
        denied = [self._holds(each, f"deny_{n}", permits=False) for n, each in enumerate(shape.denies)]
        if not shape.has_asker:
            return and_(or_(*permitted), *map(not_, denied))
        permitted.append(self._provided(_GIVEN, permits=True))
        denied.append(self._provided(_GIVEN, permits=False))
        return or_(and_(or_(*permitted), *map(not_, denied)), self._provided([Kind.EMERGENCY], permits=True))

    def _holds(self, parts: Parts, prefix: str, *, permits: bool) -> ColumnElement[bool]:
        """Whether every part of a clause holds for a study."""
        return and_(true(), *(self._part(name, value, f"{prefix}_{name}", permits=permits) for name, value in parts))

    def _part(self, name: str, value: object, parameter: str, *, permits: bool) -> ColumnElement[bool]:
        match name:
            case "organizations":
                holds = self.among(_STUDY.c.organization, parameter)
            case "departments":
                holds = _of_series(self.among(_SERIES.c.institutional_department_name, parameter), permits=permits)
            case "modalities":
                holds = _of_series(self.among(_SERIES.c.modality, parameter), permits=permits)
            case "labels":
                labelled = select(_ONE).where(_LABEL.c.study == _STUDY.c.study_instance_uid)
                holds = labelled.where(self.among(_LABEL.c.label, parameter)).correlate(_STUDY).exists()
            case "in_care":
                cares = self._provided([Kind.CARE], permits=True)
                holds = cares if value else not_(cares)
            case _:
                date, bound = _STUDY.c.study_date, self.bind(parameter)
                holds = _in_time(date >= bound if name == "since" else date <= bound, permits=permits)
        return holds

    def _provided(self, kinds: Iterable[Kind], *, permits: bool) -> ColumnElement[bool]:
        """Whether a provision of these kinds holds for a study, for the asker and the purpose, now."""
        given, patient, mine = tables.provision.alias(), tables.patient.alias(), tables.identity.alias()
        theirs = and_(given.c.issuer == patient.c.issuer, given.c.identifier == patient.c.identifier)
        known = and_(mine.c.issuer == patient.c.issuer, mine.c.identifier == patient.c.identifier)
        linked, reach = linked_to(mine)
        speaks, whose = self._speaks(given, kinds, permits=permits), patient.c.id == _STUDY.c.patient_row
        own = select(_ONE).select_from(patient.join(given, theirs)).where(whose, *speaks)
        # Within another: SQLite would go from all that was decided to the patients, and take thirty times as long.
        for_linked = select(_ONE).select_from(given).where(*of_linked(given, mine, linked), *speaks)
        others = select(_ONE).select_from(patient.join(mine, known).join(linked, reach))
        of_person = others.where(whose, for_linked.correlate(_STUDY, mine, linked).exists())
        return or_(own.correlate(_STUDY).exists(), of_person.correlate(_STUDY).exists())

    def _speaks(self, given: Any, kinds: Iterable[Kind], *, permits: bool) -> list[ColumnElement[bool]]:
        """Whether a provision is of these kinds, and holds for a study by its own words."""
        to_asker = [
            or_(given.c[name] == _NOTHING, given.c[name] == self.bind(f"asker_{name}"))
            for name in ("organization", "principal", "role", "purpose")
        ]
        if permits:
            # An AE title is no proof of being the person who is called so.
            is_no_device = self.bind("asker_role") != literal_column(f"'{Role.DEVICE.value}'", Text)
            to_asker.append(or_(given.c.principal == _NOTHING, given.c.role != _NOTHING, is_no_device))
        heeded = [self.among(given.c.id, "heeded")] if self.has_heeded else []
        date = _STUDY.c.study_date
        return [
            or_(*(given.c.kind == literal_column(f"'{kind.value}'") for kind in kinds)),
            given.c.permits == literal_column(str(int(permits))),
            given.c.revoked_at == _NEVER,
            given.c.starts_at <= self.bind("asker_at"),
            given.c.ends_at > self.bind("asker_at"),
            *to_asker,
            # One without an identifier is nobody in particular: only the study tells.
            or_(given.c.identifier != _NOTHING, given.c.study != _NOTHING),
            or_(given.c.study == _NOTHING, given.c.study == _STUDY.c.study_instance_uid),
            self._of_modality(given, permits=permits),
            or_(given.c.body_part == _NOTHING, _of_body_part(given, permits=permits)),
            or_(given.c.since == _NOTHING, _in_time(date >= given.c.since, permits=permits)),
            or_(given.c.until == _NOTHING, _in_time(date <= given.c.until, permits=permits)),
            *heeded,
        ]

    def _of_modality(self, given: Any, *, permits: bool) -> ColumnElement[bool]:
        """Whether a study is all of a modality, where that is permitted; or has it, where that is denied.

        For a card what goes with the images, such as a report of their dose, is of no modality of its own.
        """
        modality, kinds = given.c.modality, _STUDY.c.modalities
        packed = _SEPARATOR + modality + _SEPARATOR
        if not permits:
            find = func.instr if self.dialect == "sqlite" else func.strpos
            return or_(modality == _NOTHING, find(kinds, packed) > _NEVER)
        images: ColumnElement[str] = kinds
        for one in BESIDE_IMAGES:
            images = func.replace(images, literal_column(f"'\\{one}\\'", Text), _SEPARATOR)
        is_card = given.c.kind == literal_column(f"'{Kind.CARD.value}'")
        return or_(modality == _NOTHING, kinds == packed, and_(is_card, images == packed))


def series_in(shape: Shape, dialect: str, values: Mapping[str, Any] = _LATER) -> list[ColumnElement[bool]]:
    """What a series of a study that is visible must be to be, with named parameters, which have `values` or get them later.

    Without reports, none of those that hold documents; under delays, none of reports that wait still.
    """
    is_image = _SERIES.c.modality.not_in([literal_column(f"'{one}'", Text) for one in DOCUMENTS])
    read = [not_(waits(shape.delays, _SERIES, dialect, values))] if shape.delays else []
    return read if shape.reports else [is_image, *read]


def reports_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """What a version of a report must be to be shown, about a study that is visible: see `series_in`."""
    if not scope.reports:
        return [false()]
    still = waits(lengths_of(scope.binding), tables.report, dialect, delay_moments(scope))
    return [not_(still)] if scope.binding else []


def _in_time(holds: ColumnElement[bool], *, permits: bool) -> ColumnElement[bool]:
    """A study without a date is in no span that is permitted, and in every span that is denied."""
    date = _STUDY.c.study_date
    return and_(date != _NOTHING, holds) if permits else or_(date == _NOTHING, holds)


def _of_body_part(given: Any, *, permits: bool) -> ColumnElement[bool]:
    """Whether a study has images of a part of the body and, where that is permitted, of no other."""
    holds = _SERIES.c.body_part_examined == given.c.body_part
    has = _has_series(holds, given)
    is_image = _SERIES.c.modality.not_in([literal_column(f"'{one}'", Text) for one in BESIDE_IMAGES])
    return and_(has, not_(_has_series(and_(not_(holds), is_image), given))) if permits else has


def _of_series(holds: ColumnElement[bool], *, permits: bool) -> ColumnElement[bool]:
    """Whether it holds for all series of a study, where that is permitted; or for any, where that is denied."""
    return not_(_has_series(not_(holds))) if permits else _has_series(holds)


def _has_series(holds: ColumnElement[bool], *around: Any) -> ColumnElement[bool]:
    return select(_ONE).where(_SERIES.c.study_row == _STUDY.c.id, holds).correlate(_STUDY, *around).exists()


def orders_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """Orders that a scope shows. They are no study yet, so a scope of studies shows none.

    What permits by labels, departments, care or dates cannot be told of an order, and permits none; what denies by
    labels or care denies none.
    """
    columns = tables.imaging_order.c
    return _before_studies(scope, dialect, columns.organization, columns.modality)


def announced_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """What a scope shows of studies that were announced and never came, by the same rule.

    Of one that was announced with several modalities no rule by modality is sure: those permit none.
    """
    columns = tables.completeness.c
    return _before_studies(scope, dialect, columns.organization, columns.modalities, packed=True)


def visits_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """Visits that a scope shows, by the same rule; what permits by modalities permits none."""
    return _before_studies(scope, dialect, tables.encounter.c.organization, None)


def _before_studies(
    scope: Scope,
    dialect: str,
    organization: "Column[str]",
    modality: "Column[str] | None",
    *,
    packed: bool = False,
) -> list[ColumnElement[bool]]:
    """What a scope shows of things that come before any study, and have an organization and at most a modality.

    The column of a modality may hold a packed set.
    """
    if scope.studies is not None:
        return [false()]

    def holds(clause: Clause, *, permits: bool) -> ColumnElement[bool]:
        found: list[ColumnElement[bool]] = [true()]
        if clause.organizations is not None:
            found.append(one_of(dialect, organization, sorted(clause.organizations)))
        if clause.modalities is not None and modality is not None:
            values = sorted(clause.modalities)
            among_them = _in_packed(dialect, modality, values, permits=permits)
            found.append(among_them if packed else one_of(dialect, modality, values))
        return and_(*found)

    conditions = [not_(holds(one, permits=False)) for one in scope.denies if not one.labels and one.in_care is None]
    if scope.organizations is not None:
        told = [one for one in scope.permits if not (one.labels or one.departments or one.since or one.until)]
        told = [one for one in told if one.in_care is None and (modality is not None or one.modalities is None)]
        own = one_of(dialect, organization, sorted(scope.organizations))
        conditions.append(or_(own, *(holds(one, permits=True) for one in told)))
    return conditions


def _in_packed(dialect: str, of: "Column[str]", values: Iterable[str], *, permits: bool) -> ColumnElement[bool]:
    """Whether a packed set is one of these values alone, where that is permitted; or has any, where that is denied."""
    wanted = [f"\\{value}\\" for value in values]
    if permits:
        return one_of(dialect, of, wanted)
    find = func.instr if dialect == "sqlite" else func.strpos
    return or_(false(), *(find(of, value) > 0 for value in wanted))
