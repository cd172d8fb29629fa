"""Addresses: which ones everybody can reach, and which belong to a cloud's metadata service.

Private is every address that is not public for certain: IANA's special-purpose registries (RFC 6890 and its updates)
are spelled out here rather than left to the version of the standard library, and an IPv6 address outside 2000::/3 is
private whatever it is for. An IPv4 address inside an IPv6 one is judged as itself where translators make them (NAT64),
and private where only attacks do (6to4, Teredo, ISATAP, mapped, compatible).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["is_address", "is_metadata", "is_private", "private_name", "read_address"]

_GLOBAL_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = 0x0000_5EFE
"""The upper half of an interface identifier with an IPv4 address in the lower (RFC 5214), its universal bit aside."""
_SPECIAL_4 = tuple(
    IPv4Network(text)
    for text in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32
    """.split()
)
"""168.63.129.16 is a public address that every Azure machine reaches its platform by."""
_SPECIAL_6 = tuple(
    IPv6Network(text) for text in "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16".split()
)
_METADATA = frozenset(
    ip_address(text)
    for text in """
    169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.253 169.254.169.123 100.100.100.200 168.63.129.16
    192.0.0.192 fd00:ec2::254 fd00:ec2::253 fd00:ec2::23 fd20:ce::254 fd00:42::42
    """.split()
)
"""AWS (also ECS, EKS, DNS and time), Google, Azure, Oracle, OpenStack, DigitalOcean, Alibaba, Scaleway."""
_METADATA_NAMES = frozenset(
    "metadata metadata.google.internal metadata.goog instance-data instance-data.ec2.internal".split()
)
_PRIVATE_ENDS = frozenset("corp home internal intranet lan local localdomain localhost private".split())

Address = IPv4Address | IPv6Address


def read_address(text: str) -> Address | None:
    """An address in its usual notation; None for anything else, also for one with a zone."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def is_address(value: object) -> bool:
    """Whether a value is an address in its usual notation."""
    return isinstance(value, str) and read_address(value) is not None


def is_private(address: Address) -> bool:
    """True unless the address is public for certain."""
    if isinstance(address, IPv4Address):
        return not address.is_global or any(address in network for network in _SPECIAL_4)
    if address in _NAT64:
        return is_private(IPv4Address(int(address) & 0xFFFF_FFFF))
    if int(address) >> 32 & 0xFDFF_FFFF == _ISATAP:
        return True
    return address not in _GLOBAL_6 or not address.is_global or any(address in network for network in _SPECIAL_6)


def is_metadata(host: str, addresses: Iterable[Address]) -> bool:
    """Whether a host is, by its name or one of its addresses, where a cloud gives its machines their credentials."""
    return host in _METADATA_NAMES or any(_METADATA & _within(address) for address in addresses)


def _within(address: Address) -> frozenset[Address]:
    """The address, and the IPv4 address that it stands for."""
    if isinstance(address, IPv4Address):
        return frozenset({address})
    inner = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None)
    return frozenset({address, inner} if inner else {address})


def private_name(host: str) -> bool:
    """Whether a name belongs to a network of its own, whatever it resolves to: one label, or an ending such as
    `.internal`."""
    last = host.rpartition(".")[2]
    return "." not in host or last in _PRIVATE_ENDS or host.endswith(".home.arpa") or host in _METADATA_NAMES
