"""Ask a running app for a real erasure: ``python .ci/erase_over_http.py URL``."""

import sys
import time

from gradio_client import Client


def main(url: str) -> None:
    """Erase “cat” over HTTP and check that the app says it is gone."""
    deadline = time.monotonic() + 180
    while True:
        try:
            client = Client(url, verbose=False)
            break
        except Exception:
            # The client raises many kinds while the server is not listening yet.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    result = client.predict(["cat"], api_name="/erase")
    before, after = (result["accuracy"][variant]["forget"]["top1"] for variant in ("Original", "CCUP"))
    print(f"cat: top-1 {before:.0%} → {after:.0%}")  # noqa: T201
    if not after < before:
        sys.exit("The erased concept is still recognised.")


if __name__ == "__main__":
    main(sys.argv[1])
