"""Environment variables of the client, and what they stand for.

Here and not in the client: the server's commands must know them, and load no client for it.
"""

from typing import Final

from coalmine_schemas.kafka_config import SECURITY

VARIABLES: Final = {
    "COALMINE_APP": "app",
    "COALMINE_ENVIRONMENT": "environment",
    "COALMINE_HOME": "home",
    "COALMINE_SPOOL_DIR": "spool_dir",
    "COALMINE_SERVER_URL": "server_url",
    "COALMINE_TOKEN": "token",
    "COALMINE_FALLBACK": "fallback",
    "COALMINE_PROMPTS": "prompts",
    "COALMINE_EVENTS_FEEDBACK_LINK_KEY": "feedback_link_key",
    "COALMINE_EVENTS_FEEDBACK_LINK_URL": "feedback_link_url",
    "COALMINE_KAFKA_BOOTSTRAP_SERVERS": "kafka_bootstrap_servers",
    "COALMINE_KAFKA_TOPIC_PREFIX": "topic_prefix",
    "COALMINE_SCHEMA_REGISTRY_URL": "schema_registry_url",
    "COALMINE_SCHEMA_REGISTRY_USERNAME": "schema_registry_username",
    "COALMINE_SCHEMA_REGISTRY_PASSWORD": "schema_registry_password",
    "COALMINE_SCHEMA_REGISTRY_CA_LOCATION": "schema_registry_ca_location",
    "COALMINE_UNIT_IDS": "unit_ids",
    "COALMINE_UNIT_ID_KEY": "unit_id_key",
}
"""Environment variables and the arguments they stand for."""

SECURITY_VARIABLES: Final = {f"COALMINE_KAFKA_{ours.upper()}": theirs for ours, theirs in SECURITY.items()}
"""Environment variables and librdkafka's settings they stand for."""

SWITCHES: Final = {
    "COALMINE_CAPTURE_TEXT": "capture_text",
    "COALMINE_SIGNALS": "signals",
    "COALMINE_STRICT": "strict",
}
"""The same for arguments that are on or off."""
CLIENT_VARIABLES: Final = (*VARIABLES, *SECURITY_VARIABLES, *SWITCHES)
"""Every environment variable that the client reads."""
