"""Indexes that a page of studies is chosen from without reading rows. On a million studies they take some seconds."""

from alembic import op

revision = "0048"
down_revision = "0047"

STATEMENTS = {
    "sqlite": (
        """
        CREATE INDEX study_newest ON study (study_date, study_time, organization, patient_name,
            patient_name_ideographic, patient_name_phonetic, patient_name_words)
        """,
        """
        CREATE INDEX study_row ON study (id + 0, study_date, study_time, organization, patient_name,
            patient_name_ideographic, patient_name_phonetic, patient_name_words)
        """,
    ),
    "postgresql": (
        "CREATE INDEX study_newest ON study (study_date, study_time) INCLUDE (id, organization, patient_name)",
    ),
}


def upgrade() -> None:
    op.drop_index("study_newest", "study")
    op.drop_index("study_name", "study")
    columns = ["patient_name", "study_date", "study_time", "organization"]
    op.create_index("study_name", "study", columns, postgresql_include=["id"])
    connection = op.get_bind()
    for statement in STATEMENTS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
