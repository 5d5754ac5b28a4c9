"""The first tables: studies, people, their schedules and answers, and the event log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_FOREVER_SQLITE = """
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are only added'); END
"""
_FOREVER_POSTGRESQL = """
CREATE FUNCTION events_stay() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'events are only added'; END $$ LANGUAGE plpgsql;
CREATE TRIGGER events_stay BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_stay();
"""


def _owner(table: str, one: str, nullable: bool = False, primary_key: bool = False) -> sa.Column[int]:
    to = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(one, sa.Integer, to, nullable=nullable, primary_key=primary_key)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(60), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Integer, primary_key=True),
        _owner("studies", "study_id"),
        sa.Column("code", sa.String(40), nullable=False, unique=True),
        sa.Column("key", sa.String(40), nullable=False, unique=True),
        sa.Column("preview", sa.Boolean, nullable=False),
        sa.Column("seed", sa.String(40), nullable=False),
        sa.Column("consent_version", sa.String(40), nullable=False),
        sa.Column("consented_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("instructed_at", sa.Double),
        sa.Column("questioned_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("outcome", sa.String(20), nullable=False),
    )
    op.create_index("people_of_a_study", "people", ["study_id", "preview"])
    op.create_table(
        "external_ids",
        _owner("people", "person_id", primary_key=True),
        _owner("studies", "study_id"),
        sa.Column("external", sa.String(200), nullable=False),
        sa.Column("recruitment", sa.String(200), nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.UniqueConstraint("study_id", "external", name="external_ids_once"),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        _owner("people", "person_id"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("token", sa.String(40), nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("cell", sa.String(80), nullable=False),
        sa.Column("content", sa.String(80), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("start", sa.Integer),
        sa.Column("check", sa.String(20), nullable=False),
        sa.Column("expected", sa.String(20), nullable=False),
        sa.Column("repeats", sa.Integer),
        sa.Column("shown_at", sa.Double),
        sa.Column("last_shown_at", sa.Double),
        sa.Column("shows", sa.Integer, nullable=False),
        sa.UniqueConstraint("person_id", "position", name="trials_once"),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("key", sa.String(40), nullable=False),
        sa.Column("choice", sa.String(20), nullable=False),
        sa.Column("degree", sa.Integer),
        sa.Column("option", sa.Integer),
        sa.Column("path", sa.JSON, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("client_ms", sa.Double, nullable=False),
        sa.Column("hidden", sa.Integer, nullable=False),
        sa.Column("hidden_ms", sa.Double, nullable=False),
        sa.Column("answered_at", sa.Double, nullable=False),
    )
    op.create_table(
        "responses",
        _owner("people", "person_id", primary_key=True),
        sa.Column("question", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        _owner("studies", "study_id"),
        _owner("people", "person_id", nullable=True),
        _owner("trials", "trial_id", nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_index("events_of_a_person", "events", ["person_id"])
    op.execute(_FOREVER_SQLITE if op.get_bind().dialect.name == "sqlite" else _FOREVER_POSTGRESQL)
