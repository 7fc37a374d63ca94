"""Drawn pictures as HTML: taking shape, in two rows, and what is seen in them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING

from unlearn.data.images import data_uri
from unlearn.ui.html.markup import name_of, percent

if TYPE_CHECKING:
    from unlearn.app.drawings import Drawn, Rates
    from unlearn.evaluation.generation import Detection
    from unlearn.jobs import Progress


def no_drawing() -> str:
    """Where pictures are going to be shown."""
    return '<p class="u-small">Nothing drawn yet. Four pairs take some ten seconds on a laptop.</p>'


def preview(progress: Sequence[Progress]) -> str:
    """The first pair as it takes shape."""
    previews = (getattr(step, "preview", None) for step in reversed(progress))
    seen = next(filter(None, previews), None)
    if seen is None:
        return ""
    return (
        '<div class="u-preview">'
        + "".join(
            f'<img src="{data_uri(image)}" alt="taking shape, {side}">'
            for side, image in zip(("before", "after"), seen, strict=True)
        )
        + "</div>"
    )


def drawn(result: Drawn) -> str:
    """Two rows of pictures, the same seed above itself, and what judge and original CLIP see in them."""
    drawing = result.pair.drawing
    rows = "".join(
        f'<div class="u-side-name">{name}</div>'
        + "".join(
            f'<figure class="u-card"><img src="{data_uri(image)}" alt="{escape(drawing.prompt)}, {name.lower()}">'
            f"<figcaption><span>seed {drawing.seed + i}</span></figcaption></figure>"
            for i, image in enumerate(pictures)
        )
        for name, pictures in (("Before", result.pair.before), ("After", result.pair.after))
    )
    notices = "".join(f"<p class='u-notice'>{escape(notice)}</p>" for notice in result.notices)
    erased = ", ".join(name_of(concept, result.erased) for concept in result.erased)
    return (
        f"<p>“{escape(_shortened(drawing.prompt))}”, erased: {erased}</p>"
        f'<div class="u-drawn" style="--n: {drawing.count}">{rows}</div>{notices}{_sights(result)}'
    )


def _shortened(text: str, longest: int = 160) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _sights(result: Drawn) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{name_of(first.concept, result.erased)}</th>"
        f"<td>{_seen(first)}</td><td><b>{_seen(second)}</b></td><td>{_mean(first.clip_score)}</td>"
        f"<td>{_mean(second.clip_score)}</td></tr>"
        for first, second in zip(*result.detections, strict=True)
    )
    return (
        '<div class="u-scroll"><table class="u-table"><thead>'
        "<tr><td></td><th colspan='2' scope='colgroup'>Seen by the judge</th>"
        "<th colspan='2' scope='colgroup'>Similarity, original CLIP</th></tr>"
        "<tr><th scope='col'>Concept</th>" + "<th scope='col'>before</th><th scope='col'>after</th>" * 2 + "</tr>"
        f"</thead><tbody>{rows}</tbody></table></div><p class='u-small'>The judge is a small network that was never "
        "edited and never drove a drawing; a concept is seen where it is among its first five of 466.</p>"
        "<div class='u-part'><h3>Drag to compare</h3></div>"
    )


def _mean(cosines: Sequence[float]) -> str:
    return f"{fmean(cosines):.2f}".replace("-0.00", "0.00")


def _seen(sight: Detection) -> str:
    return "–" if sight.seen is None else f"{sum(sight.seen)} of {len(sight.seen)}"


def judged_rates(rates: Rates) -> str:
    """How often what was asked for is seen, before and after, over a batch of prompts."""
    rows = "".join(
        f"<tr><th scope='row'>{what}</th><td>{percent(rate.before)}</td><td><b>{percent(rate.after)}</b></td>"
        f"<td>{rate.n}</td></tr>"
        for what, rate in (
            ("What is erased", rates.erased),
            ("Other things", rates.others),
            ("The other of two things", rates.beside),
        )
    )
    return (
        '<div class="u-scroll"><table class="u-table"><thead><tr><th scope="col">Asked for</th>'
        '<th scope="col">seen before</th><th scope="col">seen after</th><th scope="col">pictures</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
