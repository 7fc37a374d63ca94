"""An audit through the services: attacked, told, remembered with the edit it was of, stopped; methods side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from helpers.building import built
from helpers.fakes import fake_services
from helpers.waiting import ended

from unlearn import zero_gpu
from unlearn.app.asked import ErasureRequest
from unlearn.app.edits import Audited, FineTuned
from unlearn.app.runs.audits import AUDIT, learnable
from unlearn.app.runs.comparisons import COMPARISON, ComparedMethods
from unlearn.app.services import Services
from unlearn.app.session import Visitor
from unlearn.attacks import relearning, soft_prompt
from unlearn.attacks.finding import Finding, Row
from unlearn.attacks.groups import PLANNED, Group
from unlearn.attacks.report import SHORT, AuditReport
from unlearn.clip.models import Models
from unlearn.concepts.prompts import Concept
from unlearn.concepts.selection import Vocabulary, select
from unlearn.data.gallery import Gallery
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.methods import COMPARED, Task
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import ConceptError, ImageError, JobError, ModelError, OutOfTimeError, ParameterError
from unlearn.finetuning.pairs import hold_out
from unlearn.plots.methods import method_scatter
from unlearn.plots.relearning import relearning_curves
from unlearn.progress import State, run_to_end
from unlearn.sweeps.comparison import compare
from unlearn.ui.api.reports import audit_report
from unlearn.ui.background import status_html
from unlearn.ui.html.findings import found
from unlearn.ui.html.templates import fill
from unlearn.ui.tabs.audit import AuditTab


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(relearning, "STEPS", (0, 1, 2))
    monkeypatch.setattr(soft_prompt, "STEPS", 2)


@pytest.fixture(scope="module")
def services(toy, toy_gallery, toy_vocabulary):
    return Services(Models(toy), toy_gallery.test, toy_vocabulary, training=toy_gallery.train)


@pytest.fixture
def visitor(services: Services) -> Visitor:
    """Somebody who has erased apples and frogs."""
    visitor = Visitor()
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["apple", "frog"])))
    return visitor


def finish(services: Services, visitor: Visitor, kind: str = "audit"):
    return ended(services.jobs, visitor.job_keys[kind])


def test_an_audit_is_told_remembered_and_goes_stale_with_the_edit(services: Services, visitor: Visitor):
    AUDIT.start(services, visitor, "frog")
    status = finish(services, visitor)
    assert status.state is State.DONE, status.message
    assert AUDIT.find(services, visitor) == status
    audited = visitor.session.audited
    assert isinstance(audited, Audited)
    assert audited is status.result
    assert audited.report.concept.name == "frog"
    assert audited.is_of(visitor.session)
    again = services.erase(visitor.session, ErasureRequest(["apple", "frog"]))
    assert audited.is_of(replace(visitor.session, erasure=again)), "the same question has the same answer"
    other = services.erase(visitor.session, ErasureRequest(["apple", "frog"], form="nullspace"))
    assert not audited.is_of(replace(visitor.session, erasure=other))
    for change in ({"model": "other"}, {"vocabulary": Vocabulary(())}, {"uploads": services.gallery}):
        moved = replace(visitor.session, measured_on="own", **change)
        assert not audited.is_of(moved), "the same words asked of another model, vocabulary or pictures"
    reported = audit_report(status)
    assert reported["state"] == "done"
    assert {finding["verdict"] for finding in reported["findings"]} <= {"held", "leaked", "undecided", "not applicable"}
    assert reported["answer"].startswith(SHORT[audited.report.verdict])
    assert reported["fraction"] == 1.0
    page = found(audited.report, current=False)
    assert page.count("<details") == len(audited.report.findings)
    assert "have changed since" in page
    assert "have changed since" not in found(audited.report, current=True)
    curves = [curve for finding in audited.report.findings for curve in finding.curves]
    assert len(relearning_curves(curves).data) == len(curves)


@pytest.fixture(scope="module")
def tab(services: Services) -> AuditTab:
    def build() -> AuditTab:
        with gr.Blocks():
            return AuditTab.build(lambda: services, "apple")

    return built(build)


def offered(tab: AuditTab, visitor: Visitor, chosen: str | None = None) -> dict[str, Any]:
    """The list of what can be attacked, once ``chosen`` stands there."""
    return tab.render(visitor.session, {tab.concept: chosen})[tab.concept]


def test_a_page_offers_what_is_erased(tab: AuditTab, visitor: Visitor):
    list_of_both = offered(tab, visitor, "frog")
    assert (list_of_both["choices"], list_of_both["value"]) == (["apple", "frog"], "frog")
    assert offered(tab, visitor, "whale")["value"] == "apple", "what is not erased cannot be attacked"
    assert offered(tab, Visitor(), "frog")["value"] is None


def test_of_two_edits_each_concept_is_attacked_and_compared(services: Services, tab: AuditTab, visitor: Visitor, toy):
    tuned = Erasure("cliperase", select("lemon", vocabulary=services.vocabulary), CLIPEraseSettings(), {})
    visitor.change(fine_tuned=FineTuned(toy, tuned))
    for name in offered(tab, visitor)["choices"]:
        AUDIT.start(services, visitor, name)
        AUDIT.cancel(services, visitor)
        finish(services, visitor)
    AUDIT.start(services, visitor, "lemon")
    status = finish(services, visitor)
    assert status.result.report.concept.name == "lemon", status.message
    COMPARISON.start(services, visitor, False)
    assert finish(services, visitor, "comparison").result.concepts == ("apple", "frog", "lemon")


def test_a_comparison_learns_from_ones_own_images_too(services: Services, visitor: Visitor, toy_gallery):
    images = [replace(image, concept="my mug") for image in toy_gallery.train if image.concept == "whale"]
    visitor.change(uploads=hold_out(Gallery("own", tuple(images))), measured_on="own")
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["my mug", "apple"])))
    COMPARISON.start(services, visitor, False)
    status = finish(services, visitor, "comparison")
    by_label = {outcome.label: outcome for outcome in status.result.outcomes}
    assert by_label["LEACE"].parameters > 0, "it had pictures of either"


def test_a_concept_is_attacked_with_the_images_that_show_it(services: Services, visitor: Visitor, toy_gallery):
    images = [replace(image, concept="my mug") for image in toy_gallery.train if image.concept == "whale"]
    visitor.change(uploads=hold_out(Gallery("own", tuple(images))), measured_on="own")
    assert services.measured_on(visitor.session, ["my mug"]) is visitor.session.uploads.test
    assert services.measured_on(visitor.session, ["frog"]) is services.gallery


def test_methods_stand_side_by_side(services: Services, visitor: Visitor):
    COMPARISON.start(services, visitor, False)
    status = finish(services, visitor, "comparison")
    assert isinstance(status.result, ComparedMethods), status.message
    by_label = {outcome.label: outcome for outcome in status.result.outcomes}
    assert set(by_label) == {method.label for method in COMPARED.values() if not method.trains}
    assert by_label["No edit"].parameters <= by_label["CCUP, paired (default)"].parameters
    assert by_label["No edit"].forget == 1.0
    table = fill("compared", outcomes=status.result.outcomes, result=status.result)
    assert all(label in table for label in by_label)
    assert len(method_scatter(status.result.outcomes).data[0]["x"]) == len(by_label)
    assert visitor.session.audited is None, "a comparison is no audit"


def test_a_method_that_cannot_be_fitted_is_a_row_with_its_reason(services: Services, visitor: Visitor):
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["apple", "unicorn"])))
    COMPARISON.start(services, visitor, False)
    status = finish(services, visitor, "comparison")
    assert isinstance(status.result, ComparedMethods), status.message
    by_label = {outcome.label: outcome for outcome in status.result.outcomes}
    assert "none of “unicorn”" in by_label["LEACE"].refusal
    assert by_label["CCUP, paired (default)"].is_measured
    assert by_label["LEACE"].refusal in fill("compared", outcomes=status.result.outcomes, result=status.result)
    assert len(method_scatter(status.result.outcomes).data[0]["x"]) == len(by_label) - 1


def test_a_comparison_whose_time_is_up_keeps_what_it_has(toy, toy_gallery, toy_vocabulary):
    selection = select("apple", vocabulary=toy_vocabulary)
    run = compare(Task(toy, selection, toy_vocabulary, toy_gallery.train, toy_gallery.test), ["none", "ccup", "leace"])
    assert [next(run).text, next(run).text] == ["No edit…", "CCUP, paired (default)…"]
    run.throw(OutOfTimeError("It was ended."))
    with pytest.raises(StopIteration) as stop:
        run.throw(OutOfTimeError("It was ended."))
    assert [outcome.refusal for outcome in stop.value.value] == ["", "It was ended.", "It was ended."]


def test_methods_are_measured_with_the_sentences_of_the_words_in_use(toy, toy_gallery, toy_vocabulary):
    for templates, right in ((toy_vocabulary.templates, 1.0), (("a picture",), 0.0)):
        words = replace(toy_vocabulary, templates=templates)
        task = Task(toy, select("apple", vocabulary=words), words, toy_gallery.train, toy_gallery.test)
        (outcome,) = run_to_end(compare(task, ["none"]))
        assert (outcome.forget, outcome.retain) == (right, right), "a sentence without the word tells none from another"


def test_what_runs_on_the_processors_takes_no_gpu_of_a_space(services: Services, visitor: Visitor, monkeypatch):
    def taken(number):
        raise AssertionError("a GPU was asked for")

    monkeypatch.setattr(zero_gpu, "ACTIVE", True)
    monkeypatch.setattr(zero_gpu, "_remote", taken)
    AUDIT.start(services, visitor, "")
    assert finish(services, visitor).state is State.DONE
    COMPARISON.start(services, visitor, False)
    assert finish(services, visitor, "comparison").state is State.DONE


def test_an_audit_stops_and_one_runs_at_a_time(services: Services, visitor: Visitor, monkeypatch):
    monkeypatch.setattr(relearning, "STEPS", (0, 5000))
    AUDIT.start(services, visitor, "")
    with pytest.raises(JobError, match="still"):
        AUDIT.start(services, visitor, "")
    AUDIT.cancel(services, visitor)
    status = finish(services, visitor)
    assert status.state is State.CANCELLED
    assert "Stopped" in status_html(status, stopped=AUDIT.stopped)
    assert AUDIT.find(services, visitor).result is None


def test_cliperase_on_top_is_of_what_it_has_images_of(services: Services, visitor: Visitor):
    assert learnable(services, visitor.session, ["frog", "Frosch", "zorb", "apple"]) == ["frog", "Frosch", "apple"]


def test_what_cannot_be_attacked_is_said(services: Services, visitor: Visitor):
    with pytest.raises(ConceptError, match="Nothing is erased yet"):
        AUDIT.start(services, Visitor(), "")
    with pytest.raises(ConceptError, match="Nothing is erased yet"):
        COMPARISON.start(services, Visitor(), False)
    with pytest.raises(ParameterError, match="concept is 'whale'; choose one of apple, frog"):
        AUDIT.start(services, visitor, "whale")
    somebody = Visitor()
    somebody.change(erasure=services.erase(somebody.session, ErasureRequest(["unicorn"])))
    with pytest.raises(ImageError, match="no picture of “unicorn”"):
        AUDIT.start(services, somebody, "")
    fake = fake_services()
    somebody.change(erasure=fake.erase(Visitor().session, ErasureRequest(["cat"])))
    with pytest.raises(ModelError, match="compared by the weights"):
        COMPARISON.start(fake, somebody, False)


def test_a_visitor_who_leaves_takes_every_run_along(services: Services, visitor: Visitor):
    AUDIT.start(services, visitor, "")
    COMPARISON.start(services, visitor, False)
    services.end_session(visitor)
    assert AUDIT.find(services, visitor) is None
    assert COMPARISON.find(services, visitor) is None


def shown(*findings: Finding) -> str:
    return found(AuditReport(Concept("apple"), findings, 1.0, 4, 2))


def test_every_word_of_a_finding_is_escaped_and_its_mark_is_more_than_colour():
    row = Row("<b>", 1.0, 0.9, 1.0)
    finding = Finding(Group.WORDS, "<em>", "<u>", 1.0, 0.9, 0.5, control=1.0, n=40, rows=(row, row), meaning="<script>")
    page = shown(finding)
    for raw in ("<em>", "<u>", "<script>", "<b>&"):
        assert raw not in page
    assert "✕ leaked" in page
    assert "✓ held" in shown(replace(finding, after=0.2))
    assert "no answer" in shown(replace(finding, before=0.5))
    assert "Random edit" in page


def test_every_finding_that_is_counted_is_shown():
    found = [Finding(group, f"attack {i}", "", 1.0, 1.0, 0.5, n=30) for i, group in enumerate(Group)]
    page = shown(*found)
    assert page.count("✕ leaked") == len(Group) - 1, "related words are no leak"
    assert page.count("not counted") == 1
    assert f"{len(Group)} of {PLANNED} attacks ran" in page
    with pytest.raises(TypeError, match="no group of attacks"):
        Finding("new", "attack", "", 1.0, 0.9, 0.5)  # type: ignore[arg-type]
