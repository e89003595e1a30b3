"""Which addresses may be connected to: a URL of somebody's must not reach what only this machine can.

The address is checked that is connected to, not the name: a name may mean another address a moment later.
"""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from httpcore2 import ConnectError, NetworkBackend, NetworkStream, SyncBackend

from coalmine_alerts.errors import Unusable
from coalmine_schemas.errors import InvalidParameter

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

_NAT64: Final = IPv6Network("64:ff9b::/96")
_INSIDE: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"), IPv6Network("fec0::/10"))
"""Special networks that `ipaddress` takes for public; clouds answer there about a machine and its secrets."""


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Reads networks, such as `10.1.0.0/16`.

    Raises:
        InvalidParameter: One is no network.
    """
    found = []
    for name in names:
        try:
            found.append(ip_network(name))
        except ValueError as error:
            raise InvalidParameter(f"{name!r} is no network ({error}): write 10.1.0.0/16") from error
    return tuple(found)


def is_public(address: _Address) -> bool:
    """Returns True for an address that anybody on the internet can reach, too."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in _INSIDE):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


class PublicOnly(NetworkBackend):
    """Connects to public addresses, and to private ones in networks that are allowed."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        """Prepares.

        Args:
            allowed: Networks whose addresses may be private.
        """
        self._allowed = tuple(allowed)
        self._plain = SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        """Connects to the first address of a host that may be connected to.

        Raises:
            Unusable: None may be.
            ConnectError: The host has no address, or none responds.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        allowed = [each for each in addresses if self._may(each)]
        if not allowed:
            raise Unusable(
                f"{host} has a private address ({', '.join(addresses)}), which is not connected to: name its "
                "network in the channel's allowed_networks"
            )
        failure: Exception | None = None
        for each in allowed:
            try:
                return self._plain.connect_tcp(each, port, timeout, local_address, socket_options)
            except ConnectError as error:
                failure = error
        assert failure is not None
        raise failure

    def _may(self, name: str) -> bool:
        address = ip_address(name.partition("%")[0])
        return is_public(address) or any(address in network for network in self._allowed)
