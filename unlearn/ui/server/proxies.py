"""Proxies of the environment, limited to those httpx can use. No gradio here, which reads them when imported."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import MutableMapping

NAMES = ("all_proxy", "http_proxy", "https_proxy")
#: Name of a SOCKS proxy as desktops write it, and its standard name.
WRITTEN = {"socks": "socks5"}


def usable_proxies(environ: MutableMapping[str, str] = os.environ) -> None:
    """Keep only proxies in ``environ`` that httpx can use; any other would make every request fail."""
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
