"""The steps from one form of a study's database to the next, run by Alembic."""
