"""Whether a user has flows that are over is found by one index: none of those under way is read for it."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_flows_user_id_expires_at", "flows", ["user_id", "expires_at"])
    op.drop_index("ix_flows_user_id", "flows")


def downgrade() -> None:
    op.create_index("ix_flows_user_id", "flows", ["user_id"])
    op.drop_index("ix_flows_user_id_expires_at", "flows")
