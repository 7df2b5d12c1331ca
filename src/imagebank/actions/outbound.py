"""Where a connection of ours may go. Whatever leaves asks here first, and goes to the address that it is told."""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from imagebank.errors import Invalid, NotAllowed, Unavailable

Resolve = Callable[[str], Sequence[str]]
"""The addresses of a host name in the order in which they are to be tried; empty when it has none."""

# Where clouds tell a machine its own secrets, beside those that are link-local.
_SECRETS: Final = frozenset(map(ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
_NAT64: Final = ip_network("64:ff9b::/96")


def check_address(address: str, such_as: str) -> None:
    """Raises Invalid for an address between which and us no images should go: without encryption only on this machine.

    `such_as` is an address as it should be, for the words of the refusal.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
        raise Invalid("the address is like {such_as}, without a name, question or fragment", such_as=such_as)
    if parts.scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        raise Invalid("images leave this machine by https only")


def permitted(host: str, resolve: Resolve) -> tuple[str, ...]:
    """The addresses of a host to which a connection may go: ask once, and connect to these and not to the name.

    A name that leads to a forbidden address among others is refused as a whole: somebody wants us to go there. The
    machine itself and private networks are permitted, as hospitals have their devices there.
    Raises NotAllowed for a forbidden place, Unavailable for a name without an address.
    """
    addresses = tuple(resolve(host))
    if not addresses:
        raise Unavailable("{host} has no address; check its spelling and the name server", host=host)
    for address in addresses:
        if (why := _forbidden(address)) is not None:
            raise NotAllowed(
                "{host} leads to {address}, {why}; no connection goes there", host=host, address=address, why=why
            )
    return addresses


def dialled(host: str, port: int, timeout_s: float) -> socket.socket | None:
    """A connection to the first of a host's permitted addresses that takes it; None when none does.

    Raises NotAllowed and Unavailable as `permitted` does.
    """
    for address in permitted(host, addresses_of):
        try:
            # To the address that was looked at: a name could lead elsewhere when it is asked again.
            return socket.create_connection((address, port), timeout=timeout_s)
        except OSError:
            continue
    return None


def addresses_of(host: str) -> list[str]:
    """The addresses of a host as this machine knows them, each once."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _forbidden(text: str) -> str | None:
    try:
        address = _plain(ip_address(text.partition("%")[0]))
    except ValueError:
        return "which is no address"
    if address.is_link_local or address in _SECRETS:
        return "where a machine is told its own secrets"
    if address.is_multicast or address.is_unspecified or address == ip_address("255.255.255.255"):
        return "which is no single machine"
    return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as one of IPv6 (RFC 4291 2.5.5.2, RFC 3056, RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
