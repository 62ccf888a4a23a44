"""Alembic's door: runs the versions on the connection that `db.upgrade` hands over."""

from alembic import context
from sqlmodel import SQLModel

import digest.models

assert digest.models  # imported for its tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    user_module_prefix="columns.",
)
with context.begin_transaction():
    context.run_migrations()
