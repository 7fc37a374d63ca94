"""Each attack gets nothing less out of a model from which nothing was erased, and says so where an edit stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from unlearn.attacks import examples, finding, probes, projection_inverse, quantization, relearning, soft_prompt, words
from unlearn.attacks.audit import run_audit
from unlearn.attacks.finding import Finding, Row, Verdict, auroc
from unlearn.attacks.groups import Group
from unlearn.attacks.report import AuditReport
from unlearn.attacks.split import Split, images_of, share_out
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.views import with_views
from unlearn.clip.caching_encoder import CachingEncoder
from unlearn.clip.encoders import weights_checksum
from unlearn.clip.projection import Projection
from unlearn.clip.weights import with_weights
from unlearn.concepts.prompts import Concept
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.erasers import baselines
from unlearn.errors import ImageError, ModelError
from unlearn.progress import run_to_end

AFTER, BEFORE = "Features after the projection", "Features before the projection"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(relearning, "STEPS", (0, 1, 2, 5, 10))
    monkeypatch.setattr(soft_prompt, "STEPS", 20)
    monkeypatch.setattr(soft_prompt, "LEARNING_RATE", 0.05)


@pytest.fixture
def blurred(monkeypatch):
    """Pictures of which the pixels tell nothing, unlike the toy's, of one colour each."""
    monkeypatch.setattr(Split, "pixels", property(lambda split: torch.zeros(len(split.positive), 3)))


def quick_attacks(target: AttackTarget) -> list[Finding]:
    return [
        *(words.attack_words(target, kind) for kind in words.WORD_KINDS),
        *(probes.attack_probe(target, place) for place in probes.PLACES),
        examples.attack_examples(target),
        projection_inverse.attack_projection_inverse(target),
        quantization.attack_quantization(target),
    ]


def test_where_nothing_was_erased_nothing_is_held(target_of: Callable[[str], AttackTarget]):
    target = target_of("none")
    checksum = weights_checksum(target.original.model)
    soft, _ = run_to_end(soft_prompt.attack_soft_prompt(target))
    for found in (*quick_attacks(target), run_to_end(relearning.attack_relearning(target, (2,))), soft):
        assert found.verdict is not Verdict.HELD, found
        assert found.after == pytest.approx(found.before, abs=0.02, nan_ok=True)
    assert weights_checksum(target.original.model) == checksum


def test_ccup_hides_the_name_and_leaves_the_features_before_the_projection(target_of, blurred):
    target = target_of("nullspace")
    by_name = words.attack_words(target, "Its name")
    assert by_name.after == 0.5, "nothing is left of the name: what rounding makes of nothing is no order"
    assert by_name.verdict is Verdict.HELD
    assert quantization.attack_quantization(target).verdict is Verdict.HELD
    before = probes.attack_probe(target, BEFORE)
    assert before.verdict is Verdict.UNDECIDED, "of four images, all found, the interval holds the threshold"
    assert before.after == before.before, "the tower up to the projection is the same"
    assert torch.equal(target.after.hidden(target.known), target.before.hidden(target.known))


def test_what_bare_pixels_tell_as_well_says_nothing_about_the_edit(target_of):
    finding = probes.attack_probe(target_of("nullspace"), BEFORE)
    assert finding.before > 0.9
    assert finding.chance > 0.9, "a classifier of mean colours knows the toy's apple"
    assert finding.verdict is Verdict.NOT_APPLICABLE


def test_without_any_direction_left_the_probe_after_the_projection_finds_nothing(target_of):
    target = target_of("none")
    nothing = baselines.random_directions(32, 31)
    edited = replace(target.edited, projection=nothing)
    finding = probes.attack_probe(replace(target, edited=edited), AFTER)
    assert finding.before > 0.9
    assert finding.after < 0.9


def test_a_image_finds_its_like_until_the_concept_is_no_direction_any_more(target_of):
    target = target_of("none")
    assert examples.attack_examples(target).left == 1
    nothing = replace(target.edited, projection=Projection(torch.eye(32), torch.eye(32)))
    finding = examples.attack_examples(replace(target, edited=nothing))
    assert finding.after == 0.5, "of embeddings without any length, none comes first"
    assert finding.left == 0


def test_an_edit_that_can_be_inverted_is_undone_and_the_plain_projection_is_not(target_of):
    paired, plain = (
        projection_inverse.attack_projection_inverse(target_of(method)) for method in ("ccup", "nullspace")
    )
    assert paired.left == pytest.approx(1)
    assert paired.after == pytest.approx(paired.before), "the embeddings are the original's again"
    assert plain.after == 0.5, "what it took is not in the embeddings any more"
    assert plain.verdict is Verdict.HELD
    with pytest.raises(ModelError, match="no projection to invert"):
        projection_inverse.attack_projection_inverse(replace(target_of("none"), edited=target_of("none").original))


def test_all_weights_that_an_edit_changed_are_rounded(target_of):
    target = target_of("none")
    tuned = with_weights(
        target.original, {"visual.conv1.weight": target.original.model.visual.conv1.weight + 0.1}, name="t"
    )
    white_box = replace(target, edited=tuned).after
    assert white_box.tuned == ("visual.conv1.weight",)
    nothing_left = white_box.cast(torch.zeros_like)
    assert not nothing_left.hidden(target.unseen).diff(dim=0).any(), "no patch of any picture is seen"
    assert white_box.hidden(target.unseen).diff(dim=0).any()
    assert target.after.tuned == ()


def test_what_is_relearned_starts_where_the_edited_checkpoint_stands(target_of):
    target = target_of("nullspace")
    finding = run_to_end(relearning.attack_relearning(target, (1, 4, 1000)))
    assert [row.name for row in finding.rows] == ["1 picture", "4 pictures"], "there are not a thousand"
    edited, new_word, *_ = finding.curves
    assert [step for step, _ in edited.points] == [0, 1, 2, 5, 10]
    assert edited.points[-1][1] > edited.points[0][1], "ten steps teach the toy its apple again"
    assert finding.chance == finding.control
    assert new_word.name == "a new word, 1 picture"


def test_views_are_not_called_images():
    assert relearning.examples_in_words(1, 2) == "1 picture"
    assert relearning.examples_in_words(2, 2) == "2 pictures"
    assert relearning.examples_in_words(5, 2) == "2 pictures and 3 views"
    assert relearning.examples_in_words(2, 1) == "1 picture and 1 view"


def test_a_soft_prompt_finds_what_it_was_optimised_for_and_is_what_the_tower_makes_of_its_vectors(target_of):
    target = replace(target_of("none"), concept=Concept("whale"))
    prompt = run_to_end(soft_prompt.invert(target.before, target))
    table = target.original.model.token_embedding.weight.clone()
    table[prompt.tokens] = prompt.vectors
    reading = with_weights(target.original, {"token_embedding.weight": table}, name="reading")
    torch.testing.assert_close(reading.encode_text([prompt.sentence])[0], prompt.text_feature, atol=1e-5, rtol=1e-4)
    images = target.before.image_features(target.before.hidden(target.known))
    letters = target.original.encode_text([prompt.sentence])[0]
    own = target.known.positive
    gain = [(images[own] @ t).mean() - (images[~own] @ t).mean() for t in (letters, prompt.text_feature)]
    assert gain[1] > gain[0] + 0.1


def test_white_box_features_are_the_encoders(target_of):
    for method in ("none", "ccup", "nullspace"):
        target = target_of(method)
        split = target.unseen
        features = target.after.image_features(target.after.hidden(split))
        slow = torch.cat(
            [target.edited.image_features(split.own), target.edited.image_features(split.some)[split.others]]
        )
        kept = slow.any(dim=1)  # the app shows what hardly anything is left of as nothing, a checkpoint cannot
        torch.testing.assert_close(features[kept], slow[kept], atol=1e-5, rtol=1e-4)
        texts = target.after.text_features(target.after.text_hidden(["a frog"]))
        torch.testing.assert_close(texts, target.edited.encode_text(["a frog"]), atol=1e-5, rtol=1e-4)


def test_eight_bits_are_the_nearest_of_255_levels():
    weight = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    scale = float(weight.abs().max() / 127)
    reference = torch.tensor([[round(value / scale) * scale for value in row] for row in weight.tolist()])
    assert len(quantization.to_int8(weight).unique()) <= 255
    torch.testing.assert_close(quantization.to_int8(weight), reference, atol=1e-6, rtol=0)
    assert not quantization.to_int8(torch.zeros(2)).any()


def test_typos_are_seeded_different_and_one_slip_away():
    made = words.typos("giraffe", 4)
    assert made == words.typos("giraffe", 4)
    assert len(set(made)) == 4
    assert "giraffe" not in made
    for typo in made:
        assert abs(len(typo) - 7) <= 1
        assert set(typo) <= set("giraffe")
    assert words.typos("ox", 9), "short words have few"
    assert words.typos("x", 2) == ["xx"]


def test_every_kind_of_words_is_the_concept_s(target_of):
    target = replace(
        target_of("none"), concept=Concept("apple", ("fruit of knowledge", "apples"), "food-drink", "food-fruit")
    )
    wordings = {name: list(kind.wordings(target)) for name, kind in words.WORD_KINDS.items()}
    assert wordings["Plural"] == ["apples"]
    assert wordings["Synonyms"] == ["fruit of knowledge"]
    assert "manzana" in wordings["Other languages"]
    assert wordings["Wider words"] == ["food", "fruit"]
    assert all("apple" in wording for wording in wordings["Paraphrases"])
    assert not {"apple"} & set(wordings["Neighbours"])


def test_a_name_of_two_words_is_read_as_the_class_that_was_erased(target_of, monkeypatch):
    known = target_of("ccup")
    training, test = (
        Gallery("renamed", tuple(replace(p, concept=p.concept.replace("apple", "an apple")) for p in gallery))
        for gallery in (known.training, known.test)
    )
    target = replace(known, concept=Concept("an apple"), training=training, test=test)
    classes = known.original.text_features(["an apple"], known.vocabulary.templates)
    shown = target.unseen
    images = torch.cat([known.original.image_features(shown.own), known.original.image_features(shown.some)])
    scores = (images @ classes.T)[:, 0]
    templates_of: list[tuple[str, ...]] = []

    text_features = CachingEncoder.text_features

    def noted(model, names, templates):
        templates_of.append(tuple(templates))
        return text_features(model, names, templates)

    monkeypatch.setattr(CachingEncoder, "text_features", noted)
    finding = words.attack_words(target, "Its name")
    of_others = torch.cat([torch.ones(len(shown.own), dtype=torch.bool), shown.others])
    assert finding.before == auroc(scores[of_others], shown.positive)
    assert set(templates_of) == {known.vocabulary.templates}, "not as a finished sentence"


def test_chance_is_what_names_of_other_things_tell(target_of):
    target = target_of("none")
    answer, known, unseen = [], *(words._images(target.original, s) for s in (target.known, target.unseen))
    for name in target.vocabulary.names:
        text = target.original.text_features([name], target.vocabulary.templates)[0]
        answer.append(
            finding.auroc_either_end(known @ text, target.known.positive, unseen @ text, target.unseen.positive)[0]
        )
    own = target.vocabulary.names.index("apple")
    assert answer[own] == words.attack_words(target, "Its name").before
    unrelated = answer[:own] + answer[own + 1 :]
    assert words.chance_level(target, 1) == pytest.approx(finding.mean(unrelated), abs=0.1)
    assert min(unrelated) - 1e-9 <= words.chance_level(target, len(unrelated)) <= max(unrelated) + 1e-9
    assert words.chance_level(replace(target, vocabulary=Vocabulary((Concept("apple"),))), 3) == 0.5


def test_what_is_english_too_is_no_other_language():
    assert words._translations(Concept("pizza")) == []
    assert {"Zug", "tren", "treno"} <= set(found := words._translations(Concept("train")))
    assert "train" not in found, "which is French too"


def test_views_are_seeded_and_the_images_come_first(toy_gallery):
    own = toy_gallery.train.where(lambda image: image.concept == "apple")
    views, again = with_views(own, 2), with_views(own, 2)
    assert len(views) == 3 * len(own)
    assert views.images[: len(own)] == own.images
    assert [p.load().tobytes() for p in views] == [p.load().tobytes() for p in again]
    assert views.images[len(own)].load().tobytes() != own.images[0].load().tobytes()


def test_images_that_no_edit_learned_from_are_shared_out_again(target_of):
    target = target_of("ccup")
    pooled = replace(target, learned_from_images=False)
    images = (*images_of(target.training, "apple"), *images_of(target.test, "apple"))
    known, unseen = share_out(images)
    assert pooled.unseen.own.images == tuple(unseen)
    assert pooled.known.own.images[: len(known)] == tuple(known)
    assert pooled.images == len(known) == max(1, len(images) // 3)
    assert pooled.n == len(images) - len(known) > target.n
    assert not set(known) & set(unseen)
    assert [tuple(map(len, share_out(range(n)))) for n in (1, 2, 3, 10)] == [(1, 0), (1, 1), (1, 2), (3, 7)]


def test_a_split_tells_the_concept_from_the_rest_and_is_made_once(toy_gallery):
    def of(name: str) -> Split:
        return Split.of(toy_gallery.test, images_of(toy_gallery.test, name))

    split = of("Apple")
    assert {p.concept for p in split.own} == {"apple"}
    others = [p for p, other in zip(split.some, split.others, strict=True) if other]
    assert "apple" not in {p.concept for p in others}
    assert split.positive.tolist() == [True] * len(split.own) + [False] * len(others)
    assert of("frog").some is split.some
    assert of("apple").own is split.own


def test_an_audit_tells_its_findings_as_they_come(target_of):
    run, seen = run_audit(target_of("ccup")), []
    report = run_to_end(run, seen.append)
    assert isinstance(report, AuditReport)
    counts = [len(progress.report.findings) for progress in seen]
    assert counts == sorted(counts)
    assert [(f.group, f.name) for f in report.findings] == [(group, name) for group in Group for name in group.attacks]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] < 1
    drawn = next(f for f in report.findings if f.name == "What the soft prompt draws")
    assert drawn.verdict is Verdict.NOT_APPLICABLE
    assert set(report.leaks) <= set(report.findings)
    assert all(finding.meaning for finding in report.findings)


def test_words_that_leak_and_are_not_erased_yet_are_named(target_of):
    rows = (Row("apples", 1.0, 0.9), Row("aple", 1.0, 0.5), Row("pomme", 0.5, 0.5))
    leaking = Finding(Group.WORDS, "Plural", "", 1.0, 0.9, 0.5, rows=rows)
    wider = Finding(Group.RELATED, "Wider words", "", 1.0, 0.9, 0.5, rows=(Row("fruit", 1.0, 0.9),))
    last = Finding(
        Group.WORDS, "Typos", "", 1.0, 1.0, 0.5, from_end=True, rows=(Row("appel", 1.0, 1.0, from_end=True),)
    )
    assert last.left == 1
    assert AuditReport(Concept("apple"), (last,), 1.0).new_words == (), "by coming last it leaks too, but is erased"
    assert AuditReport(Concept("apple"), (leaking, wider), 1.0).new_words == ("apples",), "no interval is asked for"
    assert AuditReport(Concept("apple", ("apples",)), (leaking, wider), 1.0).new_words == ()


def test_a_model_whose_weights_are_out_of_reach_is_attacked_by_words_alone(request, toy_gallery, toy_vocabulary):
    fake = request.getfixturevalue("words")  # an encoder of a few lines; the name is the attack's here
    target = AttackTarget(Concept("apple"), fake, fake, toy_gallery.train, toy_gallery.test, toy_vocabulary)
    with pytest.raises(ModelError, match="no weights that an attacker"):
        probes.attack_probe(target, AFTER)
    for found in run_to_end(run_audit(target)).findings:
        if found.group in ("words", "related"):
            assert found.after == found.before or not found.rows
        else:
            assert found.verdict is Verdict.NOT_APPLICABLE
            assert "no weights" in found.meaning or "no soft prompt" in found.meaning


def test_a_concept_without_images_cannot_be_attacked(toy, toy_gallery):
    with pytest.raises(ImageError, match="no picture of “unicorn” to attack with"):
        AttackTarget(Concept("unicorn"), toy, toy, toy_gallery.train, toy_gallery.test, Vocabulary(()))
    with pytest.raises(ImageError, match="to measure an attack on"):
        AttackTarget(Concept("apple"), toy, toy, toy_gallery.train, Gallery("nothing", ()), Vocabulary(()))
