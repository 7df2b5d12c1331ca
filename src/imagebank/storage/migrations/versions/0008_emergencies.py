"""Whether somebody has a record open in an emergency is asked with every page: an index for it."""

from alembic import op

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("provision_principal", "provision", ["principal", "kind"])
