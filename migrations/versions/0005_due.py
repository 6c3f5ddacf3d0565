"""What is due at a provider is found by one index, in its order: no other of its grants is read for it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_grants_provider_due_at", "grants", ["provider", "due_at"])
    op.drop_index("ix_grants_due_at", "grants")


def downgrade() -> None:
    op.create_index("ix_grants_due_at", "grants", ["due_at"])
    op.drop_index("ix_grants_provider_due_at", "grants")
