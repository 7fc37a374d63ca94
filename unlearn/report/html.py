"""A :class:`Report` as one HTML file: no script, no outside address, and all text from others escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from unlearn.data.images import data_uri
from unlearn.erasers.variants import ORIGINAL
from unlearn.evaluation.intervals import CONFIDENCE
from unlearn.export.record import Record
from unlearn.plots.style import COLOURS, css_variables
from unlearn.report.charts import StrengthChart
from unlearn.report.command import command_of
from unlearn.report.measured import Report
from unlearn.templates import Templates


def render(report: Report) -> str:
    """Render the page."""
    return _templates.fill(
        "report",
        report=report,
        curves=StrengthChart.of(report.curves),
        facts=[list(_facts(part)) for record in report.records for part in _single(record)],
        commands="\n".join(map(command_of, report.records)),
        original=ORIGINAL,
        confidence=CONFIDENCE,
        variables=css_variables(),
    )


def _tenths(fraction: float, sign: str = "") -> str:
    """Format a fraction in percent with one decimal; a change always gets its ``sign``."""
    return f"{100 * fraction:{sign}.1f}".replace("-", "−")


def _single(record: Record) -> Iterator[Record]:
    """Yield the records of the single erasures that ``record`` consists of."""
    if not record.parts:
        yield record
    for part in record.parts:
        yield from _single(part)


def _facts(record: Record) -> Iterator[tuple[str, object]]:
    around = record.selection.surroundings
    yield "method", record.method
    yield "model", record.model
    yield "erased", ", ".join(record.selection.forget_names)
    more = f", among {len(around):,} other words" if around else ""
    yield "retained", f"{len(record.selection.retain):,} concepts{more}"
    yield "vocabulary", _shortened(record.vocabulary or "the classes of the pictures")
    yield from record.parameters.items()
    yield "seed", record.seed
    for name, digest in record.sha256.items():
        yield f"sha256, {name}", digest
    yield "versions", ", ".join(f"{name} {number}" for name, number in record.versions.items())


def _shortened(words: str, most: int = 120) -> str:
    return words if len(words) <= most else f"{words[:most].rpartition(',')[0]}, … ({words.count(',') + 1:,} words)"


_templates = Templates(Path(__file__).parent)
_templates.filters |= {"colour": COLOURS.__getitem__, "data_uri": data_uri, "tenths": _tenths}
_templates.tests["nan"] = math.isnan
