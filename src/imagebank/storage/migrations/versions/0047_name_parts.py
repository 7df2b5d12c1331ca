"""An index of three letters each of patients' names. On a million studies it takes some seconds to be made."""

from alembic import op

revision = "0047"
down_revision = "0045"

STATEMENTS = {
    "sqlite": (
        """
        CREATE VIRTUAL TABLE name_part USING fts5(
            patient_name, patient_name_ideographic, patient_name_phonetic, patient_name_words,
            content='study', content_rowid='id', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')
        """,
        "INSERT INTO name_part (name_part) VALUES ('rebuild')",
        """
        CREATE TRIGGER name_part_in AFTER INSERT ON study BEGIN
            INSERT INTO name_part
                (rowid, patient_name, patient_name_ideographic, patient_name_phonetic, patient_name_words)
                VALUES (new.id, new.patient_name, new.patient_name_ideographic, new.patient_name_phonetic,
                    new.patient_name_words);
        END
        """,
        """
        CREATE TRIGGER name_part_out AFTER DELETE ON study BEGIN
            INSERT INTO name_part
                (name_part, rowid, patient_name, patient_name_ideographic, patient_name_phonetic, patient_name_words)
                VALUES ('delete', old.id, old.patient_name, old.patient_name_ideographic, old.patient_name_phonetic,
                    old.patient_name_words);
        END
        """,
        """
        CREATE TRIGGER name_part_anew AFTER UPDATE ON study
        WHEN old.patient_name <> new.patient_name OR old.patient_name_ideographic <> new.patient_name_ideographic
            OR old.patient_name_phonetic <> new.patient_name_phonetic OR old.patient_name_words <> new.patient_name_words
        BEGIN
            INSERT INTO name_part
                (name_part, rowid, patient_name, patient_name_ideographic, patient_name_phonetic, patient_name_words)
                VALUES ('delete', old.id, old.patient_name, old.patient_name_ideographic, old.patient_name_phonetic,
                    old.patient_name_words);
            INSERT INTO name_part
                (rowid, patient_name, patient_name_ideographic, patient_name_phonetic, patient_name_words)
                VALUES (new.id, new.patient_name, new.patient_name_ideographic, new.patient_name_phonetic,
                    new.patient_name_words);
        END
        """,
    ),
    "postgresql": (
        """
        DO $$ BEGIN
            CREATE EXTENSION IF NOT EXISTS pg_trgm;
        EXCEPTION WHEN OTHERS THEN NULL;
        END $$
        """,
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
                CREATE INDEX name_part ON study USING gin (
                    patient_name gin_trgm_ops, patient_name_ideographic gin_trgm_ops,
                    patient_name_phonetic gin_trgm_ops, patient_name_words gin_trgm_ops) WITH (fastupdate = off);
            END IF;
        END $$
        """,
    ),
}


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
