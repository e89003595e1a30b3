"""The contract between the parts of Coalmine: what events are, and how they become bytes and columns.

Its modules, from small to large; nothing is re-exported here:

- `errors`, `identifiers`, `events`, `topics`: names and values shared by all parts
- `catalogue`, `compatibility`, `freeze`: published schema versions, and how new ones come to be
- `framing`, `registry_client`, `resolver`, `writer_schema`: from the first bytes of a message to its schema
- `rules`, `payload`, `reader`, `codec`: one message, exactly
- `batch`, `validate`, `vectorised`: many messages, fast; the only modules that need pyarrow and pyruhvro
- `spool_format`, `spool_blocks`: files of messages
- `discovery`: which servers of a home directory run, and the token for them
- `prices`: what a model's tokens cost
- `prompts`, `prompt_files`: prompts as values, and as files
- `kafka_config`: how every Kafka producer is configured
- `atomic_file`, `limited_log`: helpers that every part shares
"""
