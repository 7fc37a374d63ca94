"""Pieces of HTML, every visitor's word in them escaped."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from unlearn.data.images import count_in_words, data_uri
from unlearn.errors import PictureError
from unlearn.plots.style import COLOURS

if TYPE_CHECKING:
    from unlearn.app.results import Found, FoundCaption, FoundPicture, SplitAccuracy, Summary
    from unlearn.data.gallery import Picture
    from unlearn.evaluation.retrieval import RetrievalReport

THUMBNAIL = 112
NOTHING_LEFT = "The edit leaves nothing of this picture: no caption is closer to it than another."
#: Held weakly: a visitor's thumbnails go when the visitor does.
_thumbnails: WeakKeyDictionary[Picture, str] = WeakKeyDictionary()


def thumbnail(picture: Picture) -> str:
    """A small version of ``picture`` as a data URI, so that a strip of them is one answer and no file is served."""
    if picture not in _thumbnails:
        _thumbnails[picture] = data_uri(picture.load(), longest=THUMBNAIL)
    return _thumbnails[picture]


def percent(fraction: float, digits: int = 0) -> str:
    """A fraction as percent, written as Plotly writes it; a dash where nothing was measured."""
    return "–" if math.isnan(fraction) else f"{fraction:.{digits}%}"


def name_of(concept: str, erased: Collection[str]) -> str:
    """A concept's name, with a cross before it where it is erased."""
    if concept.casefold() in {name.casefold() for name in erased}:
        return f'<span class="u-erased">✕ {escape(concept)}</span>'
    return escape(concept)


def _variant(name: str) -> str:
    return f'<span class="u-variant"><i style="background:{COLOURS[name]}"></i>{escape(name)}</span>'


def no_summary() -> str:
    """Where the cost of the edit is going to be shown."""
    return (
        '<div class="u-summary"><p class="u-small">Loading CLIP, which takes a few seconds the first time …</p></div>'
    )


def summary(result: Summary, erased: Sequence[str]) -> str:
    """What stands under the strength slider: the cost of the edit in two numbers, and who is next to it."""
    if not erased:
        return (
            '<div class="u-summary"><p>Nothing is erased. Name at least one concept, such as “cat”, '
            "and every view shows CLIP before and after.</p></div>"
        )
    parts = [
        _metric("erased concepts", {variant: report.forget.top1 for variant, report in result.accuracy.items()}),
        _metric("all others", {variant: report.retain.top1 for variant, report in result.accuracy.items()}),
    ]
    risk = ", ".join(f"<b>{escape(neighbour.name)}</b>" for neighbour in result.at_risk)
    notices = "".join(f"<p class='u-notice'>{escape(notice)}</p>" for notice in result.notices[:4])
    if len(result.notices) > 4:
        notices += f"<p class='u-notice'>… and {len(result.notices) - 4} more like these.</p>"
    return (
        '<div class="u-summary"><p class="u-small">Pictures that CLIP names correctly</p>'
        f'<div class="u-metrics">{"".join(parts)}</div>'
        f'<p class="u-small">Most at risk: {risk or "none"}</p>{notices}</div>'
    )


def _metric(what: str, values: Mapping[str, float]) -> str:
    (_, before), *edited = values.items()
    after = edited[-1][1] if edited else before
    return (
        f'<div class="u-metric"><span class="u-small">{what}</span>'
        f'<span class="u-numbers"><s>{percent(before)}</s> → <b>{percent(after)}</b></span></div>'
    )


def accuracy_table(accuracy: Mapping[str, SplitAccuracy]) -> str:
    """Top-1 and top-5 on erased and other pictures, a row a variant."""
    first = next(iter(accuracy.values()))
    rows = "".join(
        f"<tr><th scope='row'>{_variant(variant)}</th>"
        + "".join(f"<td>{percent(v)}</td>" for part in (r.forget, r.retain) for v in (part.top1, part.top5))
        + "</tr>"
        for variant, r in accuracy.items()
    )
    return (
        '<div class="u-scroll"><table class="u-table"><thead>'
        f"<tr><td></td><th colspan='2' scope='colgroup'>Erased <small>{count_in_words(first.forget.n)}</small></th>"
        f"<th colspan='2' scope='colgroup'>Others <small>{count_in_words(first.retain.n)}</small></th></tr>"
        "<tr><th scope='col'>Accuracy</th>" + "<th scope='col'>top-1</th><th scope='col'>top-5</th>" * 2 + "</tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def recall_table(recall: Mapping[str, RetrievalReport]) -> str:
    """recall@k in both directions, on erased and other concepts, a row a variant and direction."""
    ks = tuple(next(iter(recall.values())).text_to_image["retain"].at)
    rows = ""
    for direction, heading in (("text_to_image", "Text → pictures"), ("image_to_text", "Picture → captions")):
        rows += f"<tr class='u-group'><th colspan='7' scope='rowgroup'>{heading}</th></tr>"
        for variant, report in recall.items():
            sides = getattr(report, direction)
            cells = "".join(f"<td>{percent(sides[part].at[k])}</td>" for part in ("forget", "retain") for k in ks)
            rows += f"<tr><th scope='row'>{_variant(variant)}</th>{cells}</tr>"
    heads = "".join(f"<th scope='col'>@{k}</th>" for k in ks)
    return (
        '<div class="u-scroll"><table class="u-table"><thead>'
        "<tr><td></td><th colspan='3' scope='colgroup'>Erased</th><th colspan='3' scope='colgroup'>Others</th></tr>"
        f"<tr><th scope='col'>Recall</th>{heads}{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def found_pictures(found: Mapping[str, Found], erased: Collection[str]) -> str:
    """The pictures each variant found, side by side, best first; for one that could not be asked, why."""
    original = next(iter(found.values()))
    if original.unanswered:  # and so is every edit of it
        return f'<p class="u-notice">{escape(original.unanswered)}</p>'
    sections = ""
    for variant, answer in found.items():
        cards = "".join(_card(hit, erased) for hit in answer.pictures)
        shown = f'<div class="u-cards">{cards}</div>'
        if answer.unanswered:
            shown = f'<p class="u-notice">{escape(answer.unanswered)}</p>'
        sections += f"<section><h4>{_variant(variant)}</h4>{shown}</section>"
    return f'<div class="u-variants">{sections}</div>'


def _card(hit: FoundPicture, erased: Collection[str]) -> str:
    """A found picture under its concept or, of an index, under the name of its file."""
    concept, path = hit.picture.concept, hit.picture.source
    alt = escape(concept or path)
    label = name_of(concept, erased) if concept else f'<span title="{alt}">{escape(PurePath(path).name)}</span>'
    try:
        seen = f'<img src="{thumbnail(hit.picture)}" alt="{alt}">'
    except (PictureError, OSError):  # what is in a folder may go or break after it was indexed
        seen = f'<div class="u-lost" role="img" aria-label="{alt}, not readable">not readable</div>'
    return (
        f'<figure class="u-card">{seen}<figcaption><span>{label}</span><small>{hit.score:.2f}</small>'
        "</figcaption></figure>"
    )


def found_captions(found: Mapping[str, Sequence[FoundCaption]], erased: Collection[str]) -> str:
    """The captions each variant found for a picture, side by side, best first."""
    gone = {name.casefold() for name in erased}
    sections = ""
    for variant, hits in found.items():
        items = "".join(
            f"<li{' class=u-erased' if hit.concept.casefold() in gone else ''}><span>"
            f"{'✕ ' if hit.concept.casefold() in gone else ''}{escape(hit.caption)}</span>"
            f"<small>{hit.score:.2f}</small></li>"
            for hit in hits
        )
        shown = f'<ol class="u-captions">{items}</ol>' if hits else f'<p class="u-notice">{NOTHING_LEFT}</p>'
        sections += f"<section><h4>{_variant(variant)}</h4>{shown}</section>"
    return f'<div class="u-variants">{sections}</div>'


def strip(pictures: Sequence[tuple[int, Picture]], erased: Collection[str]) -> str:
    """Thumbnails to choose from; the page tells the index of the one that was clicked."""
    buttons = "".join(
        f'<button type="button" data-index="{index}" aria-label="Look at this picture: {escape(picture.concept)}">'
        f'<img src="{thumbnail(picture)}" alt=""><span>{name_of(picture.concept, erased)}</span></button>'
        for index, picture in pictures
    )
    return f'<div class="u-strip" role="group" aria-label="Pictures of the gallery">{buttons}</div>'


def shown_picture(picture: Picture) -> str:
    """The picture that captions are looked up for."""
    return (
        f'<div class="u-shown"><img src="{thumbnail(picture)}" alt="{escape(picture.concept or "your picture")}">'
        '<p class="u-small">Chosen under Zero-shot</p></div>'
    )


def no_run() -> str:
    """Where a run is going to be shown."""
    return (
        '<p class="u-small">No run yet. One takes a minute or two on a laptop; the page stays usable meanwhile, and '
        "charts here show its losses and its accuracy as it goes.</p>"
    )
