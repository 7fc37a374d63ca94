"""What a soft prompt draws: its vectors stand where the pipeline reads them, and the finding is what was seen."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from unlearn.attacks import soft_drawing
from unlearn.attacks.finding import Verdict
from unlearn.attacks.soft_drawing import FIRST, IMAGES, attack_drawing
from unlearn.attacks.soft_prompt import SoftPrompt, letter_tokens
from unlearn.attacks.target import AttackTarget
from unlearn.clip.weights import with_weights
from unlearn.concepts.prompts import Concept
from unlearn.data.gallery import bundled_gallery
from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
from unlearn.errors import ModelError
from unlearn.progress import run_to_end

TABLE = "token_embedding.weight"


@pytest.fixture(scope="module")
def loaded() -> LoadedPipeline:
    return load_pipeline("pocket", device="cpu")


@pytest.fixture(scope="module")
def target(pocket, vocabulary) -> AttackTarget:
    gallery = bundled_gallery()
    return AttackTarget(Concept("cat"), pocket, pocket, gallery.train, gallery.test, vocabulary)


@pytest.fixture(scope="module")
def prompts(target: AttackTarget, pocket) -> tuple[SoftPrompt, SoftPrompt]:
    tokens, width = letter_tokens(target.before), pocket.model.token_embedding.weight.shape[1]
    vectors = torch.randn(2, len(tokens), width, generator=torch.Generator().manual_seed(0)) / 10
    first, second = (SoftPrompt(tokens, rows, torch.zeros(pocket.embed_dim)) for rows in vectors)
    return first, second


@pytest.fixture
def drawn_with(monkeypatch) -> list[LoadedPipeline]:
    """The painters that were asked to draw; nothing is drawn: what they would have drawn are numbered squares."""
    asked: list[LoadedPipeline] = []

    def paint(
        before: LoadedPipeline, after: LoadedPipeline, sentences, seeds, **how
    ) -> Generator[SimpleNamespace, None, object]:
        asked.extend([before, after])
        yield SimpleNamespace(step=1, steps=1)
        assert sentences == ["q x z j"] * IMAGES
        assert len(set(seeds)) == IMAGES
        return tuple(tuple(Image.new("L", (1, 1), 100 * side + i) for i in range(IMAGES)) for side in (0, 1))

    monkeypatch.setattr(soft_drawing, "paint", paint)
    return asked


def judge_that_sees(before: int, after: int) -> SimpleNamespace:
    """It has the cat among its first labels in so many pictures of either side."""
    seen = {*range(before), *range(100, 100 + after)}

    def first_labels(images, first):
        assert first == FIRST
        return [("cat", "dog") if image.getpixel((0, 0)) in seen else ("dog",) for image in images]

    return SimpleNamespace(labels=("cat", "dog", *map(str, range(98))), first_labels=first_labels)


def test_the_vectors_are_read_as_the_attacked_clip_reads_them(drawn_with, target, prompts, loaded, monkeypatch):
    monkeypatch.setattr(soft_drawing, "load_judge", lambda: judge_that_sees(8, 8))
    own = loaded.text_encoders[0].states(["q x z j", "a cat"])
    run_to_end(attack_drawing(target, prompts, loaded, loaded))
    table = target.original.model.token_embedding.weight
    for prompt, heard in zip(prompts, drawn_with, strict=True):
        changed = table.clone()
        changed[prompt.tokens] = prompt.vectors
        reading = with_weights(target.original, {TABLE: changed}, name="reading")
        ids = reading.tokenizer([prompt.sentence])
        states = heard.text_encoders[0].states([prompt.sentence])[0, int(ids.argmax())]
        wanted = reading.model.encode_text(ids)[0]
        torch.testing.assert_close(states @ reading.model.text_projection, wanted, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(heard.text_encoders[0].states(["a cat"])[0], own[1])
    assert torch.equal(loaded.text_encoders[0].states(["q x z j", "a cat"]), own), "the shared pipeline stays as it was"


@pytest.mark.parametrize(("before", "after", "verdict"), [(8, 8, Verdict.LEAKED), (8, 1, Verdict.HELD)])
def test_the_finding_says_what_the_judge_saw(before, after, verdict, drawn_with, target, prompts, loaded, monkeypatch):
    monkeypatch.setattr(soft_drawing, "load_judge", lambda: judge_that_sees(before, after))
    finding = run_to_end(attack_drawing(target, prompts, loaded, loaded))
    assert (finding.before, finding.after, finding.n) == (before / IMAGES, after / IMAGES, IMAGES)
    assert finding.chance == FIRST / 100
    assert finding.verdict is verdict
    assert [image.getpixel((0, 0)) for image in finding.images[1]] == [100 + i for i in range(IMAGES)]


def test_what_cannot_be_judged_or_is_not_driven_is_said(target, prompts, loaded, toy, toy_gallery, toy_vocabulary):
    attack = SimpleNamespace(concept=Concept("unicorn"))
    with pytest.raises(ModelError, match="never made to draw “unicorn”"):
        run_to_end(attack_drawing(attack, prompts, loaded, loaded))
    other = AttackTarget(Concept("apple"), toy, toy, toy_gallery.train, toy_gallery.test, toy_vocabulary)
    with pytest.raises(ModelError, match="another text encoder than the one that was attacked"):
        run_to_end(attack_drawing(other, prompts, loaded, loaded))
