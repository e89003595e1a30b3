-- Purpose: what version 2 of the requests event adds; null in rows and segments from before.
-- Grain: one row per event, as before.
ALTER TABLE requests_hot ADD COLUMN request_parameters STRUCT("key" VARCHAR, "value" VARCHAR)[];
ALTER TABLE requests_hot ADD COLUMN service_tier VARCHAR;
ALTER TABLE requests_hot ADD COLUMN cache_creation_input_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN cache_creation_5m_input_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN cache_creation_1h_input_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN audio_input_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN image_input_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN reasoning_output_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN audio_output_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN image_output_tokens BIGINT;
ALTER TABLE requests_hot ADD COLUMN other_usage STRUCT("key" VARCHAR, "value" DOUBLE)[];
ALTER TABLE requests_hot ADD COLUMN cost_source VARCHAR;  -- unknown, price_list, own_prices, service or gateway
ALTER TABLE requests_hot ADD COLUMN outcome VARCHAR;      -- unknown (version 1), ok, error, cancelled, truncated or refused
