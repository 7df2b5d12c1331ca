"""What the search writes of a study knows more facets, and by which edition of the program it was written.

Rows of before are of edition 0, so that jobs write them anew, with the words of reports and documents.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0017"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("finding", sa.Column("named", TEXT, nullable=False, server_default=sa.text("''")))
    op.add_column("finding", sa.Column("edition", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.drop_column("finding", "departments")
    op.drop_column("finding", "body_parts")
