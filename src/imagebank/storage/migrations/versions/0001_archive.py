"""The archive: patients to instances, ledger, jobs, who may come in."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _id() -> "sa.Column[int]":
    return sa.Column("id", ID, primary_key=True)


def _texts(names: str) -> Iterator["sa.Column[str]"]:
    for name in names.split():
        yield sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _names(name: str) -> Iterator["sa.Column[str]"]:
    yield from _texts(f"{name} {name}_ideographic {name}_phonetic {name}_words")


def _numbers(names: str, *, default: int | None = None, nullable: bool = False) -> Iterator["sa.Column[int]"]:
    for name in names.split():
        given = None if default is None else sa.text(str(default))
        yield sa.Column(name, sa.BigInteger, nullable=nullable, server_default=given)


def _blobs(names: str) -> Iterator["sa.Column[bytes]"]:
    for name in names.split():
        yield sa.Column(name, sa.LargeBinary, nullable=False)


def _location() -> Iterator["sa.Column[int]"]:
    yield from _numbers("segment_id segment_offset length size")


def _row_of(table: str, *, nullable: bool = False, primary_key: bool = False) -> "sa.Column[int]":
    return sa.Column(
        f"{table}_row",
        ID,
        sa.ForeignKey(f"{table}.id"),
        nullable=nullable,
        primary_key=primary_key,
        autoincrement=False if primary_key else "auto",
    )


def upgrade() -> None:
    _patients_and_studies()
    _series_and_instances()
    _beside_the_tree()
    _ledger_and_jobs()
    _who_may_come_in()


def _patients_and_studies() -> None:
    op.create_table(
        "patient", _id(), *_texts("issuer identifier anchor"), sa.UniqueConstraint("issuer", "identifier", "anchor")
    )
    op.create_table(
        "study",
        _id(),
        _row_of("patient"),
        *_texts("organization"),
        *_numbers("series_count instance_count", default=0),
        *_texts("modalities sop_classes json origins"),
        *_names("patient_name"),
        *_texts("patient_id issuer_of_patient_id patient_birth_date patient_sex"),
        *_texts("study_date study_time accession_number"),
        *_names("referring_physician_name"),
        *_texts("timezone_offset_from_utc study_description"),
        *_names("name_of_physicians_reading_study"),
        *_texts("study_instance_uid study_id"),
        sa.UniqueConstraint("study_instance_uid"),
    )
    op.create_index(None, "study", ["patient_row"])
    op.create_index("study_newest", "study", ["study_date", "study_time"])
    op.create_index("study_patient", "study", ["patient_id"])
    op.create_index("study_accession", "study", ["accession_number"])
    op.create_index("study_name", "study", ["patient_name"])
    op.create_index("study_name_ideographic", "study", ["patient_name_ideographic"])
    op.create_index("study_name_phonetic", "study", ["patient_name_phonetic"])


def _series_and_instances() -> None:
    last = 2**63 - 1
    op.create_table(
        "series",
        _id(),
        _row_of("study"),
        *_numbers("instance_count version", default=0),
        *_texts("json origins"),
        *_texts("series_date series_time modality manufacturer institution_name station_name series_description"),
        *_texts("institutional_department_name"),
        *_names("performing_physician_name"),
        *_names("operators_name"),
        *_texts("manufacturer_model_name body_part_examined protocol_name series_instance_uid"),
        *_numbers("series_number", default=last),
        *_texts("laterality performed_procedure_step_start_date performed_procedure_step_start_time"),
        sa.UniqueConstraint("series_instance_uid"),
    )
    op.create_index("series_in_study", "series", ["study_row", "series_number"])
    op.create_table(
        "instance",
        _id(),
        _row_of("series"),
        *_texts("transfer_syntax"),
        *_location(),
        *_blobs("digest content_digest"),
        *_numbers("dataset_offset"),
        sa.Column("pixels", sa.LargeBinary),
        *_numbers("received_at"),
        *_texts("rest sop_class_uid sop_instance_uid"),
        *_texts("acquisition_date content_date acquisition_time content_time"),
        *_numbers("instance_number", default=last),
        *_numbers("number_of_frames rows columns bits_allocated", nullable=True),
        sa.UniqueConstraint("sop_instance_uid"),
    )
    op.create_index("instance_in_series", "instance", ["series_row", "instance_number"])


def _beside_the_tree() -> None:
    op.create_table(
        "instance_history",
        _id(),
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        *_location(),
        *_blobs("digest content_digest"),
        *_numbers("received_at"),
    )
    op.create_index(None, "instance_history", ["sop_instance_uid"])
    op.create_table("segment", _id(), sa.Column("name", TEXT, nullable=False, unique=True))
    op.create_table(
        "attribute",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, primary_key=True),
        sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("attribute_of_owner", "attribute", ["level", "owner"])
    op.create_table("series_metadata", _row_of("series", primary_key=True), *_numbers("version"), *_blobs("body"))
    op.create_table(
        "quarantine",
        _id(),
        *_texts("reason name way principal organization address"),
        *_numbers("received_at"),
        *_location(),
        *_blobs("digest"),
        *_texts("uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("quarantine_at", "quarantine", ["segment_id", "segment_offset"])


def _ledger_and_jobs() -> None:
    op.create_table(
        "event",
        _id(),
        *_numbers("at"),
        *_texts("act principal organization address study"),
        *_numbers("count", default=0),
        *_texts("detail"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job",
        _id(),
        *_texts("kind key payload"),
        *_numbers("due"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        *_texts("state reason"),
        sqlite_autoincrement=True,
    )
    op.create_index("job_due", "job", ["state", "due"])
    waits = sa.text("state = 'waiting' AND key <> ''")
    op.create_index("job_waiting", "job", ["kind", "key"], unique=True, sqlite_where=waits, postgresql_where=waits)


def _who_may_come_in() -> None:
    for table, more in (
        ("token", ()),
        ("session", [sa.Column("token", sa.LargeBinary)]),
        ("link", _blobs("session_digest")),
    ):
        op.create_table(
            table,
            sa.Column("digest", sa.LargeBinary, primary_key=True),
            *_texts("name role organization"),
            *_numbers("created_at expires_at"),
            *more,
        )
    op.create_index("token_name", "token", ["name"])
    op.create_table(
        "device",
        sa.Column("aet", TEXT, primary_key=True),
        *_texts("host"),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("tls", sa.SmallInteger, nullable=False),
        *_texts("rights organization"),
    )
    op.create_table("completion", _id(), sa.Column("is_complete", sa.Integer, nullable=False))
