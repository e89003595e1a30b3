"""Styles of boto3's client for Bedrock."""

from functools import partial
from typing import Any

import pytest

from coalmine.integrations import bedrock as ours
from tests.support.styles.style import Server, Style, read

boto3: Any = pytest.importorskip("boto3")
config: Any = pytest.importorskip("botocore.config")
_MODEL = "amazon.nova-lite-v1:0"
_ASK: dict[str, Any] = {"modelId": _MODEL, "messages": [{"role": "user", "content": [{"text": "Refund?"}]}]}


def _client(server: Server) -> Any:
    return ours.instrument(
        boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=server.root,
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=config.Config(retries={"total_max_attempts": server.retries + 1}),
        )
    )


def _converse(server: Server) -> None:
    client = _client(server)
    try:
        client.converse(**_ASK)
    finally:
        client.close()


def _converse_stream(server: Server) -> None:
    client = _client(server)
    try:
        read(client.converse_stream(**_ASK)["stream"], stops=server.stops)
    finally:
        client.close()


_style = partial(Style, "bedrock", response_model=None, request_model=_MODEL, provider="aws", retries=True)

STYLES = [
    _style("converse", _converse),
    _style("converse stream", _converse_stream, streams=True, closes=True),
]
