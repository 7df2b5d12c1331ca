"""One write transaction of the index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from imagebank.model.access import Device, Role, Scope, Session, Token
from imagebank.model.attribute import Catalogue
from imagebank.model.event import Event
from imagebank.model.imaging import Digest, Instance, Kept, Location, Quarantined, Selection, Source
from imagebank.model.ledger import Checkpoint, Head
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.provision import Provision
from imagebank.model.uid import Uid
from imagebank.ports import Entered
from imagebank.storage import (
    account_keys,
    alerts,
    cards,
    completeness,
    compression,
    contributions,
    corrections,
    doses,
    elsewhere,
    entry,
    expectations,
    fetches,
    jobs,
    ledger,
    marks,
    notices,
    orders,
    originals,
    people,
    persons,
    pictures,
    prefetches,
    proposals,
    provisions,
    quarantine,
    recoveries,
    removal,
    requests,
    rules,
    searchable,
    tables,
    tasks,
    telling,
    transfers,
    words,
    workitems,
)
from imagebank.storage.database import Prepared, lock_studies, put
from imagebank.storage.instances import instance_of, instance_rows
from imagebank.storage.rows import micros, moment, unpack_digest
from imagebank.storage.segments import Segments
from imagebank.storage.sets import among, members

_SERIES: Final = Prepared(
    lambda _: (
        select(tables.series.c.id)
        .where(tables.series.c.series_instance_uid == bindparam("uid"), tables.series.c.version == bindparam("version"))
        .with_for_update()
    )
)


class SQLTransaction:
    """A `Transaction` on an open connection. `SQLIndex.begin` makes it and commits it."""

    def __init__(
        self,
        connection: Connection,
        catalogue: Catalogue,
        duplicates: entry.Duplicates,
        segments: dict[str, int],
        turn: ledger.Turn,
        base: Catalogue,
    ) -> None:
        self._connection = connection
        self._turn = turn
        self._events: list[Event] = []
        self._catalogue = catalogue
        self._duplicates = duplicates
        self._segments = Segments(connection, segments)
        self.searchable: Final = searchable.SearchableChanges(connection, base)
        self.people: Final = people.PeopleChanges(connection)
        self.words: Final = words.WordsChanges(connection)
        self.orders: Final = orders.OrderChanges(connection, self._segments)
        self.persons: Final = persons.PersonsChanges(connection)
        self.rules: Final = rules.RulesChanges(connection)
        self.corrections: Final = corrections.CorrectionsChanges(connection, self._segments)
        self.proposals: Final = proposals.ProposalChanges(connection)
        self.completeness: Final = completeness.CompletenessChanges(connection)
        self.doses: Final = doses.DoseChanges(connection)
        self.expectations: Final = expectations.ExpectationChanges(connection)
        self.pictures: Final = pictures.PictureChanges(connection)
        self.tasks: Final = tasks.TaskChanges(connection)
        self.workitems: Final = workitems.WorkitemChanges(connection)
        self.requests: Final = requests.RequestChanges(connection)
        self.contributions: Final = contributions.ContributionChanges(connection)
        self.alerts: Final = alerts.AlertChanges(connection)
        self.transfers: Final = transfers.TransferChanges(connection)
        self.fetches: Final = fetches.FetchChanges(connection)
        self.elsewhere: Final = elsewhere.ElsewhereChanges(connection)
        self.prefetches: Final = prefetches.PrefetchChanges(connection)
        self.compression: Final = compression.CompressionChanges(connection, self._segments)
        self.recoveries: Final = recoveries.RecoveryChanges(connection)
        self.notices: Final = notices.NoticesChanges(connection)
        self.cards: Final = cards.CardChanges(connection)

    def publish(self) -> None:
        """After the commit: let later transactions know what this one learnt."""
        self._segments.publish()

    def enter(self, kept: Sequence[Kept]) -> list[Entered]:
        account_keys.require_living(self._connection, {one.sealed_by for one in kept if one.sealed_by})
        # What is searchable may have been changed since the header of one was read.
        version = self.searchable.version()
        if stale := [one.description.uid for one in kept if one.description.catalogue_version < version]:
            jobs.defer(self._connection, "describe-values", {"instances": stale}, kept[0].received_at, "")
        return entry.enter(self._connection, self._catalogue, self._duplicates, self._segments, kept)

    def remove(self, selection: Selection, scope: Scope) -> list[Instance]:
        """The instances that were taken out, each followed by its former versions."""
        rows = list(instance_rows(self._connection, selection, scope))
        if self._connection.dialect.name == "postgresql" and rows:
            lock_studies(self._connection, {row[3] for row in rows})
            rows = list(instance_rows(self._connection, selection, scope))
        removed = [instance_of(row) for row in rows]
        former = self._former(removed)
        removal.take_out(self._connection, [row[0] for row in rows])
        return [version for instance in removed for version in (instance, *former.get(instance.uid, ()))]

    def close_account(self, owner: PatientId, names: Sequence[bytes]) -> None:
        account_keys.close(self._connection, names)
        provisions.forget_patient(self._connection, owner)
        orders.forget_patient(self._connection, owner)
        self.persons.forget(owner)
        self.cards.forget([owner])
        self.requests.forget([owner])
        self.expectations.forget(owner)
        self.elsewhere.forget_patient(owner)

    def shred(self, names: Sequence[bytes]) -> list[Uid]:
        # What is found of a study by a report goes with the report; the rest is written anew.
        marks.forget(self._connection, orders.forget_sealed(self._connection, names))
        return removal.shred(self._connection, names)

    def described_by(self, removed: Sequence[Instance]) -> list[Uid]:
        return removal.described_by(self._connection, {one.study for one in removed}, {one.uid for one in removed})

    def unfold(self, study: Uid) -> list[Instance]:
        if self._connection.dialect.name == "postgresql":
            lock_studies(self._connection, [study])
        rows = list(instance_rows(self._connection, Selection(study=study), Scope(organizations=None)))
        removal.unfold(self._connection, study, [row[0] for row in rows])
        return [instance_of(row) for row in rows]

    def _former(self, removed: Sequence[Instance]) -> dict[Uid, list[Instance]]:
        """Take out the former versions of instances."""
        history, segment = tables.instance_history, tables.segment
        by_uid = {instance.uid: instance for instance in removed}
        dialect = self._connection.dialect.name
        uids = {"uids": members(dialect, list(by_uid))}
        theirs = among(dialect, history.c.sop_instance_uid, "uids")
        statement = (
            select(history, segment.c.name.label("segment"))
            .join_from(history, segment, segment.c.id == history.c.segment_id)
            .where(theirs)
            .order_by(history.c.id)
        )
        former: dict[Uid, list[Instance]] = {}
        for row in self._connection.execute(statement, uids):
            version = replace(
                by_uid[row.sop_instance_uid],
                location=Location(row.segment, row.segment_offset, row.length, row.size),
                digest=unpack_digest(row.digest),
                content_digest=unpack_digest(row.content_digest),
                received_at=moment(row.received_at),
                pixels=None,
            )
            former.setdefault(version.uid, []).append(version)
        if former:
            self._connection.execute(delete(history).where(theirs), uids)
        return former

    def keep_original(self, original: Original) -> bool:
        return originals.keep(self._connection, self._segments, original)

    def quarantine(
        self,
        reason: str,
        name: str,
        source: Source,
        at: datetime,
        location: Location,
        digest: Digest,
        uid: str = "",
        sealed_by: bytes | None = None,
    ) -> int:
        return quarantine.lay_aside(
            self._connection, self._segments, reason, name, source, at, location, digest, uid, sealed_by
        )

    def release(self, number: int) -> None:
        quarantine.release(self._connection, number)

    def renumber(self, before: Iterable[Quarantined]) -> None:
        quarantine.renumber(self._connection, self._segments, before)

    def record(self, events: Iterable[Event]) -> None:
        self._events += events

    def write_ledger(self) -> None:
        """At the end of the transaction: nobody else can write to this process's lane from here to the commit."""
        self._turn.append(self._connection, self._events)
        self._events = []

    def ends_of_lanes(self) -> Sequence[Head]:
        return ledger.grown(self._connection)

    def last_checkpoint(self) -> Checkpoint | None:
        return ledger.last_checkpoint(self._connection)

    def put_checkpoint(self, checkpoint: Checkpoint, *, waits_for_telling: bool = False) -> None:
        ledger.keep(self._connection, checkpoint, *([telling.is_told()] if waits_for_telling else []))
        telling.forget(self._connection)

    def begin_telling(self, errand: str) -> None:
        if telling.is_new(self._connection, errand):
            telling.begin(self._connection)

    def take_errand(self, name: str, holder: str, now: datetime, until: datetime) -> bool:
        return telling.take(self._connection, name, holder, now, until)

    def mark_told(self, ends: Mapping[str, int]) -> None:
        telling.mark(self._connection, ends)

    def put_provision(self, provision: Provision) -> None:
        provisions.put(self._connection, provision)

    def revoke_provision(self, identifier: str, at: datetime) -> bool:
        return provisions.revoke(self._connection, identifier, at)

    def review_emergency(self, identifier: str, by: str, words: str) -> bool:
        return provisions.review(self._connection, identifier, by, words)

    def put_label(self, study: Uid, label: str) -> bool:
        return provisions.put_label(self._connection, study, label)

    def remove_label(self, study: Uid, label: str) -> bool:
        return provisions.remove_label(self._connection, study, label)

    def defer(self, kind: str, payload: dict[str, Any], due: datetime, key: str = "") -> None:
        jobs.defer(self._connection, kind, payload, due, key)

    def start(self, kind: str, payload: dict[str, Any], due: datetime, key: str) -> None:
        jobs.start(self._connection, kind, payload, due, key)

    def forget(self, kind: str, key: str) -> None:
        jobs.forget(self._connection, kind, key)

    def put_token(self, token: Token) -> None:
        put(self._connection, tables.token, ["digest"], people.signed_in(token) | {"certificate": token.certificate})

    def revoke_token(self, name: str) -> int:
        return self._connection.execute(delete(tables.token).where(tables.token.c.name == name)).rowcount

    def put_session(self, session: Session) -> None:
        put(self._connection, tables.session, ["digest"], people.session_row(session))

    def end_session(self, digest: bytes) -> None:
        self._connection.execute(delete(tables.session).where(tables.session.c.digest == digest))

    def put_link(self, digest: bytes, session: Session) -> None:
        values = people.signed_in(session) | {"digest": digest, "session_digest": session.digest}
        put(self._connection, tables.link, ["digest"], values)

    def use_link(self, digest: bytes, now: datetime) -> Session | None:
        links = tables.link
        row = self._connection.execute(
            delete(links).where(links.c.digest == digest, links.c.expires_at > micros(now)).returning(links)
        ).one_or_none()
        if row is None:
            return None
        return Session(
            bytes(row.session_digest),
            row.name,
            Role(row.role),
            row.organization,
            moment(row.created_at),
            moment(row.expires_at),
        )

    def sweep_expired(self, at: datetime, tokens: datetime) -> int:
        ended = ((tables.session, at), (tables.link, at), (tables.token, tokens))
        return sum(
            self._connection.execute(delete(table).where(table.c.expires_at <= micros(moment))).rowcount
            for table, moment in ended
        )

    def put_device(self, device: Device) -> None:
        values = {
            "aet": device.aet,
            "host": device.host,
            "port": device.port,
            "tls": int(device.tls),
            "rights": ",".join(sorted(device.rights)),
            "organization": device.organization,
            "certificate": device.certificate,
        }
        put(self._connection, tables.device, ["aet"], values)

    def remove_device(self, aet: str) -> int:
        return self._connection.execute(delete(tables.device).where(tables.device.c.aet == aet)).rowcount

    def put_metadata(self, series: Uid, version: int, body: bytes) -> None:
        row = _SERIES.run(self._connection, {"uid": series, "version": version}).fetchone()
        if row is not None:
            values = {"series_row": row[0], "version": version, "body": body}
            put(self._connection, tables.series_metadata, ["series_row"], values)

    def clear(self) -> None:
        marks.clear(self._connection)
        beside = (tables.proposal, tables.completion, tables.completeness, tables.expectation)
        made = (tables.fingerprint, tables.picture_pair, tables.picture_verdict)
        for table in (*made, tables.dose, *tables.REBUILT, *beside):
            self._connection.execute(delete(table))

    def renew_versions(self, at: datetime) -> None:
        rows = tables.series
        self._connection.execute(update(rows).where(rows.c.version < micros(at)).values(version=micros(at)))

    def complete(self) -> None:
        put(self._connection, tables.completion, ["id"], {"id": 1, "is_complete": 1})
