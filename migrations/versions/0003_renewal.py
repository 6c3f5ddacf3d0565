"""How the renewal of tokens stands, when a revocation is tried again, flows that ask for the difference."""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SPOTIFY_LIFE = timedelta(days=182)
FACEBOOK_AHEAD = timedelta(days=14)  # its tokens can be exchanged only while they live
GITHUB_UNUSED = timedelta(days=365)

# Constant defaults: the release before this one goes on inserting rows, and knows none of these columns.
RENEWAL = (
    ("lease_owner", sa.String(length=32), None),
    ("lease_node", sa.String(length=32), None),
    ("lease_until", MOMENT, None),
    ("attempted_at", MOMENT, None),
    ("attempts", sa.Integer(), sa.text("0")),
    ("failure", sa.String(length=16), None),
    ("failed_at", MOMENT, None),
    ("failing_days", sa.Integer(), sa.text("0")),
    ("retry_at", MOMENT, None),
    ("due_at", MOMENT, None),
    ("renewable", sa.Boolean(), sa.true()),  # where it is not, the first attempt finds out
    ("ended_at", MOMENT, None),
    ("ends_at", MOMENT, None),
    ("warned_days", sa.Integer(), None),
)


def upgrade() -> None:
    for name, type_, default in RENEWAL:
        column = sa.Column(name, type_, server_default=default, nullable=default is None)
        op.add_column("grants", column)
    op.create_index("ix_grants_due_at", "grants", ["due_at"])
    op.create_index("ix_grants_ends_at", "grants", ["ends_at"])
    op.add_column("revocations", sa.Column("retry_at", MOMENT, nullable=True))
    op.create_index("ix_revocations_retry_at", "revocations", ["retry_at"])
    op.add_column("flows", sa.Column("missing_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    schedule_what_is_stored()


def schedule_what_is_stored() -> None:
    """Give the grants of the release before a date: whether they can be renewed is found out then."""
    names = ("authorized_at", "last_used_at", "expires_at", "refresh_expires_at", "due_at", "ends_at")
    grants = sa.table(
        "grants", sa.column("id"), sa.column("provider"), *(sa.column(name, MOMENT) for name in names)
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(grants)).all():
        due_at, ends_at = row.expires_at, row.refresh_expires_at
        if row.provider == "facebook" and row.expires_at is not None:
            due_at = row.expires_at - FACEBOOK_AHEAD
        elif row.provider == "spotify":
            ends_at = row.authorized_at + SPOTIFY_LIFE
        elif row.provider == "github" and row.expires_at is None:
            ends_at = row.last_used_at + GITHUB_UNUSED
        dated = sa.update(grants).where(grants.c.id == row.id)
        connection.execute(dated.values(due_at=due_at, ends_at=ends_at))


def downgrade() -> None:
    op.drop_column("flows", "missing_only")
    op.drop_index("ix_revocations_retry_at", "revocations")
    op.drop_column("revocations", "retry_at")
    op.drop_index("ix_grants_ends_at", "grants")
    op.drop_index("ix_grants_due_at", "grants")
    for name, _, _ in reversed(RENEWAL):
        op.drop_column("grants", name)
