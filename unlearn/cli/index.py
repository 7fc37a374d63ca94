"""``python -m unlearn index``: encode a folder tree of pictures once, to be searched under any erasure."""

from __future__ import annotations

import argparse
from pathlib import Path

from unlearn.cli.arguments import add_model, print_notices
from unlearn.files.writing import require_folder

HELP = "Encode the pictures of a folder tree into an index on disk; a build that was cut off goes on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", type=Path, metavar="DIR", help="folder with pictures in it or in its subfolders")
    parser.add_argument("--out", type=Path, required=True, metavar="INDEX", help="folder to write to, or to go on with")
    add_model(parser)


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from tqdm import tqdm

    from unlearn.clip.loading import load_clip
    from unlearn.data.folders import skipped_in_words
    from unlearn.index.build import build_index
    from unlearn.jobs import Progress, run_to_end

    require_folder(arguments.out)
    encoder = load_clip(arguments.model)
    with tqdm(desc="encoding pictures", unit="picture") as bar:

        def show(progress: Progress) -> None:
            if bar.total is None:
                bar.reset(progress.total)
                bar.initial = bar.n = progress.done  # what an earlier build did says nothing of today's rate
            bar.update(progress.done - bar.n)

        store = run_to_end(build_index(arguments.pictures, arguments.out, encoder), show)
    print_notices(skipped_in_words(store.skipped))
    print(f"Wrote {arguments.out}: {len(store):,} pictures, {len(store.skipped):,} skipped.")
