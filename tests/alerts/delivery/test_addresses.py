"""Which addresses are connected to."""

from ipaddress import ip_address

import pytest

from coalmine_alerts.delivery.addresses import is_public, networks
from coalmine_schemas.errors import InvalidParameter


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("192.0.0.192", "168.63.129.16", "fec0::1", "::ffff:192.0.0.192"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "64:ff9b:1::1"),
    ],
)
def test_these_are_reached_from_inside_only(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700::1", "::ffff:1.1.1.1", "64:ff9b::808:808"]
)
def test_these_everybody_can_reach(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"10\.1\.0\.1/16"):
        networks(["10.1.0.1/16"])
