"""What other archives have said they hold, how they answer, and what is fetched from them (`model.elsewhere`)."""

from sqlalchemy import Column, Index, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, words

archive_question = Table(
    "archive_question",
    metadata,
    Column("archive", TEXT, primary_key=True),
    Column("issuer", TEXT, primary_key=True),
    Column("identifier", TEXT, primary_key=True),
    moment("at"),
    Index("archive_question_at", "at"),
)

archive_study = Table(
    "archive_study",
    metadata,
    Column("archive", TEXT, primary_key=True),
    Column("issuer", TEXT, primary_key=True),
    Column("identifier", TEXT, primary_key=True),
    Column("study_instance_uid", TEXT, primary_key=True),
    words("organization"),
    words("study_date"),
    words("study_time"),
    words("description"),
    words("accession"),
    words("modalities"),
    count("objects"),
    moment("at"),
    Index("archive_study_of", "issuer", "identifier"),
)

archive_series = Table(
    "archive_series",
    metadata,
    Column("archive", TEXT, primary_key=True),
    Column("issuer", TEXT, primary_key=True),
    Column("identifier", TEXT, primary_key=True),
    Column("study_instance_uid", TEXT, primary_key=True),
    Column("modality", TEXT, primary_key=True),
)

archive_line = Table(
    "archive_line",
    metadata,
    Column("archive", TEXT, primary_key=True),
    count("failures"),
    count("since"),
    count("rests_until"),
    words("reason"),
    count("answered_at"),
)

archive_recall = Table(
    "archive_recall",
    metadata,
    Column("archive", TEXT, primary_key=True),
    Column("study_instance_uid", TEXT, primary_key=True),
    words("issuer"),
    words("identifier"),
    words("by"),
    words("role"),
    words("organization"),
    words("address"),
    count("by_rule"),
    moment("made_at"),
    count("total"),
    count("kept"),
    words("state"),
    words("reason"),
    count("ended_at"),
    Index("archive_recall_made_at", "made_at"),
)
