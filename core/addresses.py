"""Which network addresses we may be sent to: a URL that a client names must not open what only we can reach."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Never, whatever is allowed: the metadata services of clouds hand out credentials, and link-local is theirs.
# 168.63.129.16 is Azure's, a public number; the others are Amazon's, Alibaba's and Oracle's.
_METADATA = tuple(map(ipaddress.ip_address, ("168.63.129.16", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
# Special-purpose networks (IANA's registries) that older Pythons take for global ones.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "100::/64", "fec0::/10", "3fff::/20")
    )
)
# IPv6 addresses that carry an IPv4 address in their last 32 bits (RFC 6052, RFC 4291 section 2.5.5.1).
_CARRIERS = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


def is_allowed(address: Address, *, private: bool) -> bool:
    """Whether a connection to `address` may be made. `private`: whether to loopback and private networks, too.

    Multicast, unspecified, link-local and metadata addresses are never allowed. An IPv4 address inside an IPv6 one is
    judged as itself.
    """
    inner = _carried(address)
    if inner is not None:
        return is_allowed(inner, private=private)
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    if address in _METADATA:
        return False
    special = any(address.version == network.version and address in network for network in _SPECIAL)
    return private or (address.is_global and not address.is_reserved and not special)


def literal(host: str) -> Address | None:
    """The address that `host` is, if it is one in its ordinary form."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in carrier for carrier in _CARRIERS) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
