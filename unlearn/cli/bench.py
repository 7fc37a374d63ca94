"""``python -m unlearn bench``: measure, print, and write the README's tables."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

HELP = "Measure speed and quality; optionally write the tables into a page."
BENCHES = ("speed", "ccup", "cliperase", "ablation", "generation", "drawing", "index", "app", "load", "sessions")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(BENCHES)} (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: shows that it runs, not what it measures"
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="replace the blocks <!-- bench:NAME --> of a page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables as JSON")


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from unlearn.bench.table import Table, write_into
    from unlearn.errors import require_choice

    tables: list[Table] = []
    for name in [require_choice("NAME", name, BENCHES) for name in arguments.names] or BENCHES:
        table = import_module(f"unlearn.bench.{name}").run(quick=arguments.quick)
        print(f"\n## {name}\n\n{table.markdown()}")
        tables.append(table)
    if arguments.write is not None:
        write_into(arguments.write, tables)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(table) for table in tables], indent=2, ensure_ascii=False) + "\n")
