"""The tables of the index, by what they keep."""

from imagebank.storage.tables.access import (
    account,
    attempt,
    challenge,
    client,
    device,
    invitation,
    label,
    link,
    passkey,
    provision,
    session,
    token,
)
from imagebank.storage.tables.alerts import repeat_alert
from imagebank.storage.tables.archive import (
    NAMES_NOBODY,
    REBUILT,
    attribute,
    completion,
    instance,
    instance_history,
    patient,
    quarantine,
    segment,
    series,
    series_metadata,
    study,
)
from imagebank.storage.tables.cards import card, withdrawal
from imagebank.storage.tables.columns import (
    ID,
    INSTANCE_COLUMNS,
    LAST,
    NUMBERED,
    NUMBERS,
    PATIENT_COLUMNS,
    SERIES_COLUMNS,
    STUDY_COLUMNS,
    Stored,
    column_name,
    metadata,
    name_columns,
)
from imagebank.storage.tables.completeness import completeness, expectation
from imagebank.storage.tables.contributions import contribution
from imagebank.storage.tables.corrections import correction, correction_step
from imagebank.storage.tables.doses import dose
from imagebank.storage.tables.elsewhere import (
    archive_line,
    archive_question,
    archive_recall,
    archive_series,
    archive_study,
)
from imagebank.storage.tables.fetches import fetch
from imagebank.storage.tables.health_links import health_link, health_link_file
from imagebank.storage.tables.keys import account_key, secret
from imagebank.storage.tables.ledger import HAS_PERSON, checkpoint, errand, event, lane, told
from imagebank.storage.tables.names import NAME_PARTS
from imagebank.storage.tables.notices import mailbox, mailed_code, notice, notice_choice, place
from imagebank.storage.tables.order import ORDER
from imagebank.storage.tables.orders import encounter, imaging_order, letter, patient_word, peer, performed_step, report
from imagebank.storage.tables.persons import (
    identity,
    identity_key,
    likeness,
    person_decision,
    person_decision_record,
)
from imagebank.storage.tables.pictures import fingerprint, picture_pair, picture_verdict
from imagebank.storage.tables.prefetches import prefetch
from imagebank.storage.tables.proposals import proposal
from imagebank.storage.tables.recoveries import recovery
from imagebank.storage.tables.requests import request
from imagebank.storage.tables.rules import route, rules_version
from imagebank.storage.tables.searchable import catalogue_version, searchable
from imagebank.storage.tables.tasks import task, task_study
from imagebank.storage.tables.transfers import destination, transfer, transfer_object
from imagebank.storage.tables.words import finding, finding_text, spelling
from imagebank.storage.tables.work import IS_WAITING, job
from imagebank.storage.tables.workitems import workitem

__all__ = [
    "HAS_PERSON",
    "ID",
    "INSTANCE_COLUMNS",
    "IS_WAITING",
    "LAST",
    "NAMES_NOBODY",
    "NAME_PARTS",
    "NUMBERED",
    "NUMBERS",
    "ORDER",
    "PATIENT_COLUMNS",
    "REBUILT",
    "SERIES_COLUMNS",
    "STUDY_COLUMNS",
    "Stored",
    "account",
    "account_key",
    "archive_line",
    "archive_question",
    "archive_recall",
    "archive_series",
    "archive_study",
    "attempt",
    "attribute",
    "card",
    "catalogue_version",
    "challenge",
    "checkpoint",
    "client",
    "column_name",
    "completeness",
    "completion",
    "contribution",
    "correction",
    "correction_step",
    "destination",
    "device",
    "dose",
    "encounter",
    "errand",
    "event",
    "expectation",
    "fetch",
    "finding",
    "finding_text",
    "fingerprint",
    "health_link",
    "health_link_file",
    "identity",
    "identity_key",
    "imaging_order",
    "instance",
    "instance_history",
    "invitation",
    "job",
    "label",
    "lane",
    "letter",
    "likeness",
    "link",
    "mailbox",
    "mailed_code",
    "metadata",
    "name_columns",
    "notice",
    "notice_choice",
    "passkey",
    "patient",
    "patient_word",
    "peer",
    "performed_step",
    "person_decision",
    "person_decision_record",
    "picture_pair",
    "picture_verdict",
    "place",
    "prefetch",
    "proposal",
    "provision",
    "quarantine",
    "recovery",
    "repeat_alert",
    "report",
    "request",
    "route",
    "rules_version",
    "searchable",
    "secret",
    "segment",
    "series",
    "series_metadata",
    "session",
    "spelling",
    "study",
    "task",
    "task_study",
    "token",
    "told",
    "transfer",
    "transfer_object",
    "withdrawal",
    "workitem",
]
