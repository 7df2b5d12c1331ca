"""On SQLite, an index of the beginnings of words as they are typed: without it each question gathers them anew."""

from alembic import op

revision = "0015"
down_revision = "0011"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("DROP TABLE mark")
    op.execute(
        "CREATE VIRTUAL TABLE mark USING fts5"
        "(marks, content='', columnsize=0, detail=none, prefix='2 4 5 6 7', tokenize='ascii')"
    )
    op.execute("INSERT INTO mark (rowid, marks) SELECT place, marks FROM finding_text ORDER BY place")
