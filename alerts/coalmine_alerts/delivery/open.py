"""Opens channels from their settings."""

from collections.abc import Iterable, Mapping

from coalmine_alerts.delivery.channels import Channel, ChannelSettings


def open_channels(
    settings: Iterable[ChannelSettings], secrets: Mapping[str, str], *, dashboard_url: str | None
) -> dict[str, Channel]:
    """Returns the channels by name; nothing is connected to yet.

    Args:
        settings: As configured.
        secrets: By the names that settings refer to; the environment, or what stands for it.
        dashboard_url: What links are below; None: no links.

    Raises:
        InvalidParameter: A secret is missing or is no secret of this kind, or a package is not installed.
    """
    raise NotImplementedError
