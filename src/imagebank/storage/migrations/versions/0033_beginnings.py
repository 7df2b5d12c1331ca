"""On PostgreSQL the beginnings of words among the marks, each as a mark of its own, as FTS5 keeps them, and spans of eras.

A million studies take about ten minutes.
"""

from alembic import op

revision = "0033"
down_revision = "0034"

# Of words only, which stand behind a, b and c. Two signs are asked for whole; one is, too, but of scripts without blanks.
_BEGINNINGS = """
    SELECT DISTINCT translate(left(word, 1), 'abc', 'ABC') || substr(word, 2, signs)
    FROM unnest(tsvector_to_array(marks)) word, unnest(ARRAY[1, 3, 4, 5, 6]) signs
    WHERE left(word, 1) IN ('a', 'b', 'c') AND length(word) > signs AND (signs > 1 OR substr(word, 2, 1) > '\x7f' COLLATE "C")
"""
_SPANS = "ARRAY['g' || to_hex(place >> 52), 'h' || to_hex(place >> 54), 'i' || to_hex(place >> 56)]"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    # The index is made in a fraction of the steps.
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.execute("ALTER TABLE mark RENAME TO former")
    op.execute("ALTER TABLE former RENAME CONSTRAINT mark_pkey TO former_pkey")
    op.execute("DROP INDEX mark_marks")
    op.execute("CREATE TABLE mark (place BIGINT PRIMARY KEY, marks TSVECTOR NOT NULL) WITH (toast_tuple_target = 128)")
    op.execute("ALTER TABLE mark ALTER marks SET STORAGE EXTERNAL")
    op.execute(
        "INSERT INTO mark (place, marks)"  # noqa: S608 - nothing of it comes from outside
        f" SELECT place, marks || array_to_tsvector(ARRAY({_BEGINNINGS}))"
        f" || array_to_tsvector(CASE WHEN place >> 50 > 0 THEN {_SPANS} ELSE ARRAY[]::text[] END) FROM former"
    )
    op.execute("DROP TABLE former")
    op.execute("CREATE INDEX mark_marks ON mark USING gin (marks) WITH (fastupdate = off)")
    op.execute("ANALYZE mark")
