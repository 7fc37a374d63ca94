"""Client addresses: the payer of a request, and the peers that are trusted as proxies."""

from __future__ import annotations

import ipaddress

from unlearn.errors import ParameterError

#: Length to which a name that is not an address is cut, as a header may be long.
LONGEST_NAME = 64


def payer(address: str) -> str:
    """Return the payer for ``address``: IPv6 addresses of one /64 network, which one subscriber has, count as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:LONGEST_NAME]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return unmapped(address)


def unmapped(address: str) -> str:
    """Return ``address`` as IPv4 if it is IPv4-mapped, such as ``::ffff:192.0.2.1`` of a dual-stack socket."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class Proxies:
    """The peers whose ``X-Forwarded-For`` is trusted, from a comma-separated list; ``*`` is every peer."""

    def __init__(self, listed: str) -> None:
        """Parse the list.

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
