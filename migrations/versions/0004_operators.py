"""Users of a host application, service keys, and which releases still work on this schema."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
FLOOR = "0003"  # the release of that migration goes on working


def upgrade() -> None:
    op.add_column("users", sa.Column("external_id", ID, nullable=True))
    op.create_index("ix_users_external_id", "users", ["external_id"], unique=True)
    op.create_table(
        "departures",
        sa.Column("external_id", ID, autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("external_id", name="pk_departures"),
    )
    op.create_table(
        "service_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("for_all", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_service_keys"),
        sa.UniqueConstraint("hash", name="uq_service_keys_hash"),
        sa.UniqueConstraint("name", name="uq_service_keys_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "service_key_users",
        sa.Column("key_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["service_keys.id"], name="fk_service_key_users_key_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_service_key_users_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_id", "user_id", name="pk_service_key_users"),
    )
    op.create_index("ix_service_key_users_user_id", "service_key_users", ["user_id"])
    floor = op.create_table(
        "schema_floor",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_schema_floor"),
    )
    op.bulk_insert(floor, [{"revision": FLOOR}])


def downgrade() -> None:
    op.drop_table("schema_floor")
    op.drop_table("service_key_users")
    op.drop_table("service_keys")
    op.drop_table("departures")
    op.drop_index("ix_users_external_id", "users")
    op.drop_column("users", "external_id")
