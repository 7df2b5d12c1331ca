"""Alerts about exams that may be repeats (`model.alert`)."""

from sqlalchemy import Column, Index, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, words

repeat_alert = Table(
    "repeat_alert",
    metadata,
    Column("id", TEXT, primary_key=True),
    moment("at"),
    words("organization"),
    words("department"),
    words("issuer"),
    words("identifier"),
    words("user_name"),
    words("order_number"),
    words("way"),
    words("task"),
    words("modality_group"),
    words("regions"),
    words("side"),
    words("contrast"),
    words("kind"),
    words("purpose"),
    words("day"),
    words("study"),
    count("days"),
    words("rule"),
    words("severity"),
    words("outcome"),
    words("reason"),
    words("comment"),
    words("answered_by"),
    count("answered_at"),
    Index("repeat_alert_patient", "issuer", "identifier"),
    Index("repeat_alert_at", "at"),
    Index("repeat_alert_order", "organization", "order_number"),
    Index("repeat_alert_task", "task"),
)
