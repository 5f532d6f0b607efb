"""Which addresses deliveries may go to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from core.addresses import is_allowed, literal

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "193.0.6.139", "2001:4860:4860::8888", "64:ff9b::808:808", "2002:808:808::1",
    "2001:0:a00:1::f7f7:f7f7",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "192.0.0.9",
    "198.18.0.1", "::1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "2001:0:808:808::f5ff:fffe", "2002:7f00:1::1",
    "2002:c0a8:1::", "192.0.2.1", "2001:db8::1", "240.0.0.1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",
    "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "192.0.0.192", "0.0.0.0", "::", "224.0.0.1",
    "239.255.255.250", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_allowed(ip_address(address), private=False)
    assert is_allowed(ip_address(address), private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address: str) -> None:
    assert not is_allowed(ip_address(address), private=False)
    assert is_allowed(ip_address(address), private=True)


@pytest.mark.parametrize("address", NEVER)
def test_never(address: str) -> None:
    assert not is_allowed(ip_address(address), private=False)
    assert not is_allowed(ip_address(address), private=True)


def test_literals() -> None:
    assert literal("[::1]") == ip_address("::1")
    assert literal("fe80::1%eth0") == ip_address("fe80::1")
    assert literal("10.0.0.1") == ip_address("10.0.0.1")
    assert literal("localhost") is literal("2130706433") is literal("") is None
