"""Whose address a request comes from, and which peers are proxies."""

from __future__ import annotations

import ipaddress

from unlearn.errors import ParameterError

#: What remains of a name that is no address: a header may be long.
LONGEST_NAME = 64


def payer(address: str) -> str:
    """The one who pays for ``address``: an IPv6 subscriber has 2⁶⁴ addresses, and counts once."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:LONGEST_NAME]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return unmapped(address)


def unmapped(address: str) -> str:
    """``address`` as IPv4 where it is one, which a socket for both families writes as ``::ffff:192.0.2.1``."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class Proxies:
    """The peers whose ``X-Forwarded-For`` is believed, from a list with commas; ``*`` is every peer."""

    def __init__(self, listed: str) -> None:
        """Read the list.

        Raises:
            ParameterError: an entry is neither an address nor a network.
        """
        entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
        self._all = "*" in entries
        try:
            self._networks = [ipaddress.ip_network(entry) for entry in entries if entry != "*"]
        except ValueError as error:
            raise ParameterError(
                f"UNLEARN_TRUSTED_PROXIES holds what is no address or network: {error}. "
                "Write it as 10.0.0.0/8,192.168.1.2, or * for every peer."
            ) from error

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(unmapped(address))
        except ValueError:
            return self._all
        return self._all or any(parsed in network for network in self._networks)
