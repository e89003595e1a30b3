"""What alembic runs: the connection is given by `migrate`, within its transaction."""

from alembic import context

from coalmine_registry.storage.migrate import VERSION_TABLE
from coalmine_registry.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
