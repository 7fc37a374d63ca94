"""The command line, which uses the same core as the app without gradio; one file per subcommand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from unlearn import __version__
from unlearn.cli import app, audit, bench, erase, evaluate, generate, index, report, search
from unlearn.cli.arguments import add_output, require_inputs
from unlearn.cli.output import Result
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
#: Exit codes: what shells report for a program that SIGINT or SIGPIPE ended.
INTERRUPTED, BROKEN_PIPE = 130, 141


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all subcommands.

    Each module defines ``HELP``, ``EXAMPLES``, ``add_arguments`` and ``run``, which returns a :class:`Result`, and may
    define ``go_on``, which says how to go on after Ctrl-C.
    """
    name = "unlearn-clip" if Path(sys.argv[0]).stem == "unlearn-clip" else "python -m unlearn"
    parser = argparse.ArgumentParser(prog=name, description="Erase concepts from CLIP and measure it.")
    parser.add_argument("--version", action="version", version=VERSION)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for command, module in COMMANDS.items():
        examples = "\n".join(f"  {name} {example}" for example in module.EXAMPLES)
        subparser = subparsers.add_parser(
            command,
            help=module.HELP,
            description=module.HELP,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        subparser.add_argument("--version", action="version", version=VERSION)
        if module is not app:
            add_output(subparser)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run, go_on=getattr(module, "go_on", lambda arguments: "Nothing is kept."))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and print its result.

    Unusable input and whatever this machine lacks end in one sentence on stderr and exit code 2, Ctrl-C in 130.
    """
    arguments = build_parser().parse_args(argv)
    try:
        require_inputs(arguments)
        result: Result | None = arguments.run(arguments)
        if result is not None:
            result.print(json=arguments.json)
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\n{arguments.command}: interrupted. {arguments.go_on(arguments)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has enough. Python would report that again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        sentence = str(error) if isinstance(error, UnlearnError) else lacking(error)
        if not sentence:
            raise
        print(f"{arguments.command}: {sentence}", file=sys.stderr)
        return 2
    return 0
