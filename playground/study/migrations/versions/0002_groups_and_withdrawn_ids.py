"""Groups, orders of tasks and pilots; pages between the trials; who has withdrawn and may not begin anew."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and tables. Earlier people have no group, the order of the file, and are no pilots."""
    op.add_column("studies", sa.Column("secret", sa.String(40), nullable=False, server_default=""))
    op.add_column("people", sa.Column("group", sa.String(40), nullable=False, server_default=""))
    op.add_column("people", sa.Column("blocks", sa.Integer, nullable=False, server_default="0"))
    op.add_column("people", sa.Column("pilot", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("trials", sa.Column("task", sa.String(40), nullable=False, server_default=""))
    op.create_table(
        "withdrawn_ids",
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
    )
    op.create_table(
        "passed",
        sa.Column("person_id", sa.Integer, sa.ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("page", sa.String(60), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    connection = op.get_bind()
    connection.execute(sa.text("UPDATE trials SET task = kind"))
    for (study,) in connection.execute(sa.text("SELECT id FROM studies")).all():
        connection.execute(
            sa.text("UPDATE studies SET secret = :secret WHERE id = :study"),
            {"secret": secrets.token_urlsafe(24), "study": study},
        )
