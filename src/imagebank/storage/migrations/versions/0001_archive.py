"""The archive: patients to instances, ledger, jobs, who may come in."""

from alembic import op

from imagebank.storage.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
