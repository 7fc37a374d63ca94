"""``python -m unlearn bench``: measure, print, and write the tables of the README and of docs/measured.md."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from unlearn import bench
from unlearn.bench.table import Table, write_into
from unlearn.cli.arguments import add_images, add_model
from unlearn.cli.output import Result
from unlearn.errors import JobError, require_choice
from unlearn.files.writing import require_file

HELP = "Measure speed and quality; optionally write the tables into a page."
EXAMPLES = ("bench methods --quick", "bench --write README.md docs/measured.md")
#: Benchmarks with arguments of their own.
OPTIONS = {
    "methods": ("model", "images", "resume"),
    "attacks": ("model", "images", "resume", "never_taught"),
    "generation": ("resume",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(bench.BENCHES)} (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: shows that it runs, not what it measures"
    )
    parser.add_argument(
        "--write", type=Path, nargs="+", metavar="PAGE", help="replace the blocks <!-- bench:NAME --> of these pages"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="also write the tables as JSON")
    any_model = parser.add_argument_group("methods and attacks")
    add_model(any_model)
    add_images(any_model, "to learn from and to measure on")
    parser.add_argument_group("methods, attacks and generation").add_argument(
        "--resume", type=Path, metavar="FILE", help="write every measurement there, and do not measure it again"
    )
    parser.add_argument_group("attacks").add_argument(
        "--never-taught",
        type=Path,
        metavar="FILE",
        help="weights of such a model that was trained without the concepts, to be attacked beside the edits",
    )


def run(arguments: argparse.Namespace) -> None:
    for path in (*(arguments.write or ()), arguments.out, arguments.resume):
        if path is not None:
            require_file(path)
    tables: list[Table] = []
    for name in [require_choice("NAME", name, bench.BENCHES) for name in arguments.names] or bench.BENCHES:
        options = {key: getattr(arguments, key) for key in OPTIONS.get(name, ())}
        made = getattr(bench, name).run(quick=arguments.quick, **options)
        for table in made if isinstance(made, tuple) else (made,):
            if not arguments.json:
                print(f"\n## {table.name}\n\n{table.markdown()}", flush=True)
            tables.append(table)
    data = {"tables": [asdict(table) for table in tables]}
    if arguments.write is not None:
        write_into(arguments.write, tables)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.json:
        Result("", data).print(json=True)
    if failures := [failure for table in tables for failure in table.failures]:
        raise JobError("\n".join((f"{len(failures)} failures:", *failures)))


def go_on(arguments: argparse.Namespace) -> str:
    if arguments.resume is None:
        return "With --resume FILE, methods, attacks and generation keep what they have measured."
    return f"The same command goes on with what “{arguments.resume}” holds."
