"""Cost of drawing before and after an edit, compared with calling the pipeline directly for as many images."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from tqdm import trange

from unlearn.bench.table import Table, machine, threads
from unlearn.clip.loading import load_clip
from unlearn.concepts.selection import load_vocabulary, select
from unlearn.diffusion.apply_edits import apply_to_pipeline
from unlearn.diffusion.drawing import Drawing, draw
from unlearn.diffusion.pipelines import load_pipeline
from unlearn.erasers import ccup
from unlearn.progress import run_to_end

PAIRS = 4


def run(quick: bool = False) -> Table:
    """Draw four pairs with all previews, alternating with eight images by direct calls."""
    loaded, encoder, vocabulary = load_pipeline("pocket"), load_clip("pocket"), load_vocabulary()
    erasure = ccup.erase(encoder, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)
    solving = _seconds(lambda: apply_to_pipeline(loaded, encoder, closed_form=erasure))
    again = _seconds(lambda: apply_to_pipeline(loaded, encoder, closed_form=erasure))
    edited = apply_to_pipeline(loaded, encoder, closed_form=erasure).loaded
    drawing = Drawing("a cat", steps=loaded.known.steps, guidance=loaded.known.guidance, count=PAIRS)

    def ours() -> None:
        run_to_end(draw(loaded, edited, drawing))

    def by_hand() -> None:
        loaded.pipeline(["a cat"] * 2 * PAIRS, num_inference_steps=drawing.steps, guidance_scale=drawing.guidance)

    measured: list[tuple[float, float]] = []
    for _ in trange(2 if quick else 12, desc="drawing"):
        measured.append((_seconds(ours), _seconds(by_hand)))
    warm = measured[1:]
    return Table(
        name="drawing",
        columns=("step", "median seconds", "× by hand"),
        rows=(
            ("the pipeline by hand, eight pictures", f"{median(b for _, b in warm):.2f}", "1"),
            (
                "four pairs, before and after, with previews",
                f"{median(a for a, _ in warm):.2f}",
                f"{median(a / b for a, b in warm):.2f}",
            ),
            ("carrying CCUP into it, first concept", f"{solving:.2f}", "–"),
            ("carrying CCUP into it, next concept", f"{again:.2f}", "–"),
        ),
        note=f"`pocket-diffusion`, {drawing.steps} steps, guidance {drawing.guidance:g}, median of {len(warm)} in one "
        f"run. {machine()}, {threads()}.",
    )


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
