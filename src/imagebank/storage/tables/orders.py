"""Orders, reports, and the messages of other systems that bring them."""

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from imagebank.storage.tables.columns import (
    TEXT,
    count,
    location,
    metadata,
    moment,
    octets,
    row_id,
    sealed_by,
    words,
)

peer = Table(
    "peer",
    metadata,
    Column("application", TEXT, primary_key=True),
    Column("facility", TEXT, primary_key=True),
    words("host"),
    words("organization"),
    words("certificate"),
)
"""Systems that may send messages (`model.message`)."""

letter = Table(
    "letter",
    metadata,
    row_id(),
    words("sender"),
    words("control"),
    words("kind"),
    words("organization"),
    words("address"),
    octets("digest"),
    moment("received_at"),
    words("fate"),
    Column("code", Integer, nullable=False),
    words("reason"),
    words("place"),
    *location(),
    sealed_by(),
    Index("letter_control", "sender", "control"),
    Index("letter_fate", "fate", "id"),
    Index("letter_sealed_by", "sealed_by"),
    sqlite_autoincrement=True,
)
"""Messages, and what became of them; what they say is sealed among the objects."""

# `details` is the JSON of `model.order.Ordered`; it is never searched.
imaging_order = Table(
    "imaging_order",
    metadata,
    row_id(),
    words("organization"),
    words("issuer"),
    words("identifier"),
    words("name"),
    words("birth_date"),
    words("sex"),
    moment("event_at"),
    words("state"),
    count("state_at"),
    words("placer"),
    words("filler"),
    words("accession"),
    words("accession_issuer"),
    words("procedure_id"),
    words("step_id"),
    words("study"),
    words("modality"),
    words("station_aet"),
    words("scheduled_at"),
    words("details"),
    Index("imaging_order_filler", "organization", "filler"),
    Index("imaging_order_placer", "organization", "placer"),
    Index("imaging_order_patient", "issuer", "identifier"),
    Index("imaging_order_at", "state", "scheduled_at"),
    sqlite_autoincrement=True,
)

encounter = Table(
    "encounter",
    metadata,
    Column("organization", TEXT, primary_key=True),
    Column("number", TEXT, primary_key=True),
    words("issuer"),
    words("identifier"),
    moment("event_at"),
    words("stay"),
    words("kind"),
    words("place"),
    words("began_at"),
    words("ended_at"),
    Index("encounter_patient", "issuer", "identifier"),
)
"""Visits (`model.encounter`)."""

patient_word = Table(
    "patient_word",
    metadata,
    Column("organization", TEXT, primary_key=True),
    Column("issuer", TEXT, primary_key=True),
    Column("identifier", TEXT, primary_key=True),
    moment("event_at"),
    Index("patient_word_patient", "issuer", "identifier"),
)
"""When an organization last said who a patient is, so that a late message does not undo a newer one."""

# `details` is the JSON of the references to scheduled steps, `series` and `dose` that of what was made.
performed_step = Table(
    "performed_step",
    metadata,
    Column("uid", TEXT, primary_key=True),
    words("organization"),
    words("issuer"),
    words("identifier"),
    words("state"),
    words("by"),
    words("details"),
    moment("changed_at"),
    words("modality"),
    words("series"),
    words("dose"),
    Index("performed_step_patient", "issuer", "identifier"),
)
"""What modalities say that they do (`model.order.Performed`)."""

report = Table(
    "report",
    metadata,
    row_id(),
    words("organization"),
    words("issuer"),
    words("identifier"),
    words("number"),
    words("status"),
    words("accession"),
    words("study"),
    moment("event_at"),
    moment("received_at"),
    octets("digest"),
    *location(),
    sealed_by(),
    words("types"),
    count("since"),
    UniqueConstraint("digest"),
    Index("report_patient", "issuer", "identifier"),
    Index("report_sealed_by", "sealed_by"),
    sqlite_autoincrement=True,
)
"""Versions of reports: whose they are, and where they lie."""
