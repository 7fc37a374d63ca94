"""Which token states speak of a concept, and which are kept."""

from __future__ import annotations

from dataclasses import replace

import torch

from unlearn.concepts.prompts import prompts
from unlearn.concepts.selection import Vocabulary, load_vocabulary, select
from unlearn.diffusion.conditioning import TEMPLATES, _forget_rows, behind_gate, solve


def test_what_is_forgotten_begins_at_the_concepts_own_token(loaded):
    """“a picture of a” says nothing of the cat that follows: those states stay, with the start of the text."""
    text_encoder = loaded.text_encoders[0]
    sentences, begins = prompts("cat", TEMPLATES), (1, 2, 5)
    assert sentences == ["cat", "a cat", "a picture of a cat"]
    states, neutral = text_encoder.states(sentences), text_encoder.states([""])[0]
    rows, targets = _forget_rows(text_encoder, ["cat"], "")
    assert torch.equal(rows, torch.cat([state[start:] for state, start in zip(states, begins, strict=True)]))
    assert torch.equal(targets, torch.cat([neutral[start:] for start in begins]))


def test_of_a_pooled_state_all_is_forgotten(loaded):
    class Pooled:
        layer = None
        tokens = loaded.text_encoders[0].tokens
        token_ids = staticmethod(loaded.text_encoders[0].token_ids)

        def states(self, sentences):
            return loaded.text_encoders[0].states(sentences).mean(dim=1, keepdim=True)

    rows, targets = _forget_rows(Pooled(), ["cat"], "")
    assert rows.shape == targets.shape == (len(TEMPLATES), rows.shape[1])


def test_what_surrounds_a_short_retain_list_is_kept_too_but_less(loaded):
    """With one word retained, other prompts' states changed by as much as the erased concept's."""
    text_encoder, words = loaded.text_encoders[0], Vocabulary.of(["cat", "dog"])
    alone = select("cat", ["dog"], vocabulary=words)
    filled = replace(alone, surroundings=load_vocabulary().names[14::7])

    def moved(selection, sentence):
        states = text_encoder.states([sentence])
        return float(
            (solve(text_encoder, selection, vocabulary=words).on_states(states) - states).norm() / states.norm()
        )

    for other in ("bicycle", "castle", "pizza"):
        assert moved(filled, f"a picture of a {other}") < 0.85 * moved(alone, f"a picture of a {other}")
    assert moved(filled, "a picture of a dog") < 0.5 * moved(filled, "a picture of a pizza") + 0.05


def test_the_gate_opens_for_the_concept_in_other_words_and_for_nothing_else(loaded, vocabulary):
    text_encoder = loaded.text_encoders[0]
    selection = select("dog", vocabulary=vocabulary)
    linear = solve(text_encoder, selection, vocabulary=vocabulary)
    gated = behind_gate(linear, text_encoder, selection, vocabulary=vocabulary)
    others = ["", "a wolf", "the fox", "a cat on a blue background", "a drawing of a castle", "a pizza and a car"]
    states = text_encoder.states(others)
    assert torch.equal(gated.on_states(states), states)
    spoken = text_encoder.states(["a dog", "my dog", "two dogs", "a pizza and a dog", "the dog on a yellow background"])
    assert (gated.gate.opening(spoken) > 0).all()
    assert (gated.gate.opening(spoken[:1]) == 1).all()
    torch.testing.assert_close(gated.on_states(spoken[:1]), linear.on_states(spoken[:1]))


def test_of_several_concepts_each_opens_the_gate_alone(loaded, vocabulary):
    text_encoder = loaded.text_encoders[0]
    selection = select(["dog", "castle", "apple"], vocabulary=vocabulary)
    linear = solve(text_encoder, selection, vocabulary=vocabulary)
    gated = behind_gate(linear, text_encoder, selection, vocabulary=vocabulary)
    openings = gated.gate.opening(text_encoder.states(["a dog", "a castle", "an apple", "a bicycle", "a guitar"]))
    assert openings.tolist() == [1, 1, 1, 0, 0]
