"""A :class:`Report` as one file of HTML: no script, no address but its own, every stranger's word escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from unlearn.data.images import data_uri
from unlearn.erasers.variants import ORIGINAL
from unlearn.evaluation.intervals import CONFIDENCE, Interval
from unlearn.export.record import Record
from unlearn.plots.style import COLOURS, FONT
from unlearn.report.charts import bars, strength_curves
from unlearn.report.command import command_of
from unlearn.report.measured import DrawnPair, Look, Measure, Report, Search

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #808895; }
body { font: 15px/1.5 FONT; max-width: 900px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 32px 0 8px; }
p { margin: 4px 0; } .soft, .key, small { color: var(--soft); } .erased { color: #d6455d; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 8px; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; }
th:first-child, td:first-child { text-align: left; } thead th { font-weight: 600; }
.measures :is(td, th) { white-space: nowrap; } .measures td:first-child { white-space: normal; min-width: 8em; }
 td small { display: block; font-size: 11px; }
.facts + .facts { margin-top: 20px; }
.facts td { text-align: left; overflow-wrap: anywhere; } .facts td:first-child { white-space: nowrap; }
.scroll { overflow-x: auto; }
.looks { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 20px; }
.look { display: grid; grid-template-columns: 110px 1fr; gap: 14px; align-items: start; }
img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; background: #fff; display: block; }
.bars { margin: 0; display: grid; grid-template-columns: minmax(0, 7em) 1fr; gap: 5px 10px; font-size: 13px; }
.bars dt { text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .bars dd { margin: 0; }
.bar { display: flex; align-items: center; gap: 6px; font-size: 11px; line-height: 13px; }
.bar i { height: 9px; width: calc(var(--p) * 78%); min-width: 1px; background: var(--c); border-radius: 2px; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.row { display: grid; grid-template-columns: 7em repeat(6, minmax(0, 1fr)); gap: 8px; align-items: center;
  margin: 6px 0; font-size: 13px; }
.row figure { margin: 0; } .row figcaption { font-size: 11px; overflow: hidden; text-overflow: ellipsis; }
svg { width: 100%; max-width: 600px; font: 11px FONT; } svg text { fill: var(--soft); } .grid { stroke: var(--line); }
pre { background: #8881; padding: 12px; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere;
  max-height: 16em; overflow-y: auto; }
""".replace("FONT", FONT)
#: The browser itself keeps the page from asking anybody for anything.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(report: Report) -> str:
    """The page."""
    title = f"Erased from {report.records[0].model}: {', '.join(report.erased)}"
    sections = [
        ("What it costs", _measures(report)),
        (
            "What the models see",
            "<div class='looks'>" + "".join(_look(look, report) for look in report.looks) + "</div>",
        ),
        ("What they find", "".join(_search(search, report) for search in report.searches)),
        ("Against the strength", strength_curves(report.curves) if report.curves else ""),
        ("What is drawn", _drawn(report.drawn) if report.drawn else ""),
        ("How it was made", "".join(_record(record) for record in report.records)),
        ("Do it again", _again(report)),
    ]
    body = "".join(f"<section><h2>{heading}</h2>{html}</section>" for heading, html in sections if html)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<p class='soft'>Most at risk: {escape(', '.join(n.name for n in report.at_risk)) or 'nothing'}.</p>"
        f"{body}</body></html>"
    )


def _variant(name: str) -> str:
    return f"<span class='swatch' style='background:{COLOURS[name]}'></span>{escape(name)}"


def _measures(report: Report) -> str:
    if not report.measures:
        return f"<p>No picture of “{escape(report.collection)}” shows anything that the vocabulary has a word for.</p>"

    def row(measure: Measure) -> str:
        edited = "".join(_cell(c.after) + _cell(c.difference, sign="+") for c in measure.changes.values())
        return f"<tr><td>{escape(measure.name)}</td>{_cell(measure.before)}{edited}<td>{measure.before.n:,}</td></tr>"

    edits = "".join(f"<th>{_variant(name)}</th><th>change</th>" for name in report.measures[0].changes)
    head = f"<tr><th>%</th><th>{_variant(ORIGINAL)}</th>{edits}<th>n</th></tr>"
    body = "".join(map(row, report.measures))
    return (
        f"<div class='scroll'><table class='measures'><thead>{head}</thead><tbody>{body}</tbody></table></div>"
        f"<p class='soft'>Pictures: “{escape(report.collection)}”. Every label of the vocabulary is offered, erased "
        f"ones included. Small: {CONFIDENCE:.0%} intervals, of a change over the same pictures in pairs.</p>"
    )


def _cell(value: Interval, sign: str = "") -> str:
    """A percentage over its interval; a change has its ``sign`` always."""
    if math.isnan(value.mean):
        return "<td>–</td>"
    mean, low, high = (f"{100 * number:{sign}.1f}".replace("-", "−") for number in (value.mean, value.low, value.high))
    bounds = "" if math.isnan(value.low) else f"<small>{low} to {high}</small>"
    return f"<td>{mean}{bounds}</td>"


def _look(look: Look, report: Report) -> str:
    return (
        f"<div class='look'><div><img src='{data_uri(look.image, longest=224)}' alt='{escape(look.title, quote=True)}'>"
        f"<small>{escape(look.title)}</small></div>{bars(look.probabilities, report.erased)}</div>"
    )


def _search(search: Search, report: Report) -> str:
    rows = f"<p>Pictures closest to “{escape(search.query)}”</p>"
    for variant, pictures in search.found.items():
        figures = "".join(
            f"<figure><img src='{data_uri(picture.load(), longest=112)}' alt=''>"
            f"<figcaption{' class=erased' if picture.concept in report.erased else ''}>{escape(picture.concept)}"
            "</figcaption></figure>"
            for picture in pictures
        )
        shown = figures or "<small>nothing is left of the text to search with</small>"
        rows += f"<div class='row'><span>{_variant(variant)}</span>{shown}</div>"
    return rows


def _drawn(drawn: DrawnPair) -> str:
    rows = f"<p>“{escape(drawn.prompt)}”, by {escape(drawn.pipeline)}, the same seeds</p>"
    for side, pictures in (("before", drawn.before), ("after", drawn.after)):
        images = "".join(f"<img src='{data_uri(picture, longest=256)}' alt='{side}'>" for picture in pictures[:6])
        rows += f"<div class='row'><span>{side}</span>{images}</div>"
    return rows


def _record(record: Record) -> str:
    if record.parts:
        return "".join(map(_record, record.parts))
    forget = ", ".join(concept.name for concept in record.selection.forget)
    more = f", among {len(around):,} other words" if (around := record.selection.surroundings) else ""
    facts: Sequence[tuple[str, object]] = [
        ("method", record.method),
        ("model", record.model),
        ("erased", forget),
        ("retained", f"{len(record.selection.retain):,} concepts{more}"),
        ("vocabulary", _shortened(record.vocabulary or "the classes of the pictures")),
        *record.parameters.items(),
        ("seed", record.seed),
        *((f"sha256, {name}", digest) for name, digest in record.sha256.items()),
        ("versions", ", ".join(f"{name} {number}" for name, number in record.versions.items())),
    ]
    rows = "".join(f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>" for name, value in facts)
    return f"<table class='facts'>{rows}</table>"


def _shortened(words: str, most: int = 120) -> str:
    return words if len(words) <= most else f"{words[:most].rpartition(',')[0]}, … ({words.count(',') + 1:,} words)"


def _again(report: Report) -> str:
    commands = "\n".join(command_of(record) for record in report.records)
    link = f"<p>In the app: the address ending in</p><pre>{escape(report.link)}</pre>" if report.link else ""
    why = f"<p>{escape(report.no_link)}</p>" if report.no_link else ""
    return f"<pre>{escape(commands)}</pre>{link}{why}"
