"""Alembic's entry: it executes this file for every migration, on the connection that `store/database.py` opened.

Importing it outside Alembic fails, by Alembic's design.
"""

from alembic import context

# SQLite can roll tables back like rows, once the driver leaves BEGIN to us: see `store/sqlite.py`.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
