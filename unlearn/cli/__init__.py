"""The command line, which uses the same core as the app without gradio; one file per subcommand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unlearn import __version__
from unlearn.cli import app, audit, bench, erase, evaluate, generate, index, report, search
from unlearn.errors import UnlearnError, lacking

COMMANDS = {
    "erase": erase,
    "evaluate": evaluate,
    "audit": audit,
    "generate": generate,
    "index": index,
    "search": search,
    "report": report,
    "bench": bench,
    "app": app,
}

VERSION = f"unlearn-clip {__version__}"


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all subcommands; each module defines ``HELP``, ``add_arguments`` and ``run``."""
    parser = argparse.ArgumentParser(prog="python -m unlearn", description="Erase concepts from CLIP and measure it.")
    parser.add_argument("--version", action="version", version=VERSION)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        subparser.add_argument("--version", action="version", version=VERSION)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; unusable input and exhausted resources end in one sentence on stderr and exit code 2."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except Exception as error:
        sentence = str(error) if isinstance(error, UnlearnError) else lacking(error)
        if not sentence:
            raise
        print(f"{arguments.command}: {sentence}", file=sys.stderr)
        return 2
    return 0
