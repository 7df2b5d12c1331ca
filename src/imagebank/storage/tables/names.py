"""Which studies have three letters of a wildcard in a row in their patient's name, as each database can tell it.

Without it a search by `*smith*` reads the name of every study there is.
"""

from typing import Any, Final

from sqlalchemy import event

from imagebank.storage.tables.archive import study

NAME_PARTS: Final = {
    # The names themselves stay in `study`; triggers keep the index beside them, whoever writes.
    "sqlite": (
        """
        CREATE VIRTUAL TABLE name_part USING fts5(
            patient_name, patient_name_ideographic, patient_name_phonetic, patient_name_words,
            content='study', content_rowid='id', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')
        """,
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
    # The extension comes with PostgreSQL, and whoever owns the database may make it; where it is not, searches go on
    # without the index.
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


def _make_name_parts(_: Any, connection: Any, **__: Any) -> None:
    for statement in NAME_PARTS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


event.listen(study, "after_create", _make_name_parts)
