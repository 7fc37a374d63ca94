"""The proxies that the environment names, as httpx can use them. No gradio here, which asks for them when imported."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import MutableMapping

NAMES = ("all_proxy", "http_proxy", "https_proxy")
#: What desktops write for a SOCKS proxy, and what it is called.
WRITTEN = {"socks": "socks5"}


def usable_proxies(environ: MutableMapping[str, str] = os.environ) -> None:
    """Leave in ``environ`` only proxies that httpx can use; one it cannot would end every request in an error."""
    known = {"http", "https"}
    if importlib.util.find_spec("socksio"):
        known |= {"socks5", "socks5h"}
    for name in (*NAMES, *map(str.upper, NAMES)):
        kind, found, rest = environ.get(name, "").partition("://")
        if not found:
            continue
        kind = WRITTEN.get(kind.lower(), kind.lower())
        if kind in known:
            environ[name] = f"{kind}://{rest}"
        else:
            del environ[name]
            sys.stderr.write(f"{name} names a proxy of the kind {kind}, which cannot be used and is left out.\n")
