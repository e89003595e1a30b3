"""What alembic runs: the connection is given by `migrate`, within its transaction."""

from alembic import context

from coalmine_registry.storage.migrate import VERSION_TABLE
from coalmine_registry.storage.rollout_tables import rollouts

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=rollouts.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
