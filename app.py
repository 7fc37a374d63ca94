"""The demo, as a Space, a container or a checkout starts it: the command ``app`` of the command line."""

import sys

from unlearn.cli import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
