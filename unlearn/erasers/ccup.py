"""CCUP, Consistent Class Unlearning Projection (arXiv 2512.14137): erase concepts by name, without data.

CCUP multiplies CLIP's joint space by one matrix that sends the texts of the erased concepts towards zero and leaves the
texts of the retained concepts unchanged. :mod:`unlearn.erasers.closed_form` has the mathematics of the paper's two
forms, :mod:`unlearn.erasers.paired` that of the default form, which is this project's own.

The default form is fitted with more words than the retain set: the labels offered and, where those are few, neutral
words of the bundled vocabulary, except the erased concepts and their synonyms. A retain set of two or three texts alone
would determine the strength of the edit, and so whether the concept is erased at all. The paper's forms use the
retain set only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.caching import ObjectCache
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.concepts.prompts import Concept, surface_forms
from unlearn.concepts.selection import Selection, Vocabulary, load_vocabulary
from unlearn.erasers import closed_form, paired
from unlearn.erasers.closed_form import RetainFactor
from unlearn.erasers.erasure import Erasure, Stacked
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings

#: Two names count as the same to the model if their cosine, with the mean of all names subtracted, is above this. In
#: the embedded model a concept's synonyms have a median cosine of 0.98 with its name, 95 % of them above 0.9; the two
#: closest concepts have 0.73.
SAME = 0.9
#: If fewer labels than this are offered, about as many neutral words are added. Half or twice as many work as well. The
#: whole bundled vocabulary leaves more of the concept, above all in a model that knows little but its labels, and takes
#: a large model minutes to encode.
FEW = 32
#: A retain set of fewer names than this comes with a notice about the added words: without them, some such sets kept
#: the concept.
SHORT = 10
#: Number of pairs of nearly equal names that a notice lists.
PAIRS_SHOWN = 3


_factors: ObjectCache[RetainFactor] = ObjectCache(most=8)
_retain_factors: ObjectCache[paired.RetainFactors] = ObjectCache(most=8)


def erase(
    encoder: TextImageEncoder,
    selection: Selection,
    settings: CCUPSettings | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    constants: paired.Constants = paired.CHOSEN,
) -> Erasure[CCUPSettings]:
    """Fit CCUP for ``selection`` on ``encoder``; no image is needed.

    Args:
        encoder: the model whose joint space is edited.
        selection: forget and retain set, from :func:`unlearn.concepts.selection.select`.
        settings: form, strength, λ, μ, side.
        vocabulary: provides the prompt templates; if the retain set is most of it, the vocabulary's factor is reused.
        constants: constants of the paired form.
    """
    settings = settings or CCUPSettings()
    vocabulary = vocabulary or load_vocabulary()
    texts = [forget_texts(encoder, concept, settings, vocabulary.templates).T for concept in selection.forget]
    selection = replace(selection, surroundings=())  # they may come from an erasure in another form
    if settings.form != "nullspace":
        selection = _with_surroundings(encoder, selection, settings, vocabulary)
    if settings.form == "paired":
        around = _around(encoder, selection, settings.mu, vocabulary, constants)
        projection = paired.fit(texts, around, lam=settings.lam, strength=settings.strength)
    else:
        factor = _factor(encoder, selection, settings.mu, vocabulary) if settings.form == "consistent" else None
        projection = closed_form.fit(torch.cat(texts, dim=1), factor, lam=settings.lam, strength=settings.strength)
    return Erasure("ccup", selection, settings, projection=projection)


def on_top(
    encoder: OpenClipEncoder,
    tuned: Erasure[CLIPEraseSettings],
    settings: CCUPSettings | None = None,
    *,
    selection: Selection | None = None,
    vocabulary: Vocabulary | None = None,
) -> Stacked:
    """Fit CCUP on ``encoder`` fine-tuned by ``tuned``, because fine-tuning moves the text embeddings.

    CCUP erases the forget set of ``selection``, by default the one of ``tuned``.
    """
    closed_form = erase(tuned.fine_tuned(encoder), selection or tuned.selection, settings, vocabulary=vocabulary)
    return Stacked(tuned, closed_form)


def forget_texts(
    encoder: TextImageEncoder, concept: Concept, settings: CCUPSettings, templates: Sequence[str]
) -> Tensor:
    """Return the texts that span ``concept``, (m, d): for each surface form the mean over the templates."""
    forms = surface_forms(concept, synonyms=settings.synonyms)
    return encoder.text_features(forms, templates)


def words_read(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the names that every :func:`erase` encodes: those of ``vocabulary``, and neutral ones if it is short."""
    if len(vocabulary.names) >= FEW:
        return vocabulary.names
    known = {name.casefold() for name in vocabulary.names}
    bundled = load_vocabulary().names  # sorted by group, so evenly spaced names cover all kinds of things
    return (*vocabulary.names, *(name for name in bundled[:: len(bundled) // FEW] if name.casefold() not in known))


def _others(retained: Iterable[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the names of :func:`words_read` that are not in ``retained``."""
    kept = {name.casefold() for name in retained}
    return tuple(name for name in words_read(vocabulary) if name.casefold() not in kept)


def _with_surroundings(
    encoder: TextImageEncoder, selection: Selection, settings: CCUPSettings, vocabulary: Vocabulary
) -> Selection:
    """Return ``selection`` with the additional words that the paired form is fitted with, and with notices.

    The additional words exclude synonyms of an erased concept and words that are nearly the same to the model.
    """
    names, kept = (*selection.retain, *_others(selection.retain, vocabulary)), len(selection.retain)
    bundled = load_vocabulary()
    forms = [(form, concept) for concept in selection.forget for form in surface_forms(concept)]
    aliases = {form.casefold() for form, _ in forms}
    aliases |= {known.name.casefold() for form, _ in forms if (known := bundled.find(form))}
    texts = encoder.text_features(names, vocabulary.templates)
    mean = texts.mean(dim=0)
    erased = encoder.text_features([form for form, _ in forms], vocabulary.templates)
    similar, nearest = (F.normalize(texts - mean, dim=1) @ F.normalize(erased - mean, dim=1).T).max(dim=1)
    same = (similar > SAME).tolist()
    notices = list(selection.notices)
    if twins := [i for i in range(kept) if same[i]]:
        twins.sort(key=similar.__getitem__, reverse=True)
        notices.insert(0, _nearly_one([(names[i], forms[nearest[i]][1].name, float(similar[i])) for i in twins]))
    if settings.form != "paired":
        return replace(selection, notices=tuple(dict.fromkeys(notices)))
    around = tuple(name for i, name in enumerate(names) if i >= kept and not same[i] and name.casefold() not in aliases)
    if around and kept < SHORT:
        notices.append(
            f"Besides {kept:,} retained word{'' if kept == 1 else 's'} the edit was fitted among {len(around):,} "
            "others of less weight (the labels offered and, where those are few, words of the bundled vocabulary): a "
            "short list alone would settle how far it goes."
        )
    return replace(selection, notices=tuple(dict.fromkeys(notices)), surroundings=around)


def _nearly_one(twins: Sequence[tuple[str, str, float]]) -> str:
    """Return a warning of the retained names that nearly coincide with an erased name, with their cosines."""
    pairs = [f"“{kept}” is retained and “{erased}” erased (cosine {similar:.2f})" for kept, erased, similar in twins]
    more = f", and {len(pairs) - PAIRS_SHOWN} more like these" if len(pairs) > PAIRS_SHOWN else ""
    return (
        f"{'; '.join(pairs[:PAIRS_SHOWN])}{more}: this model hardly tells them apart, so either the retained one "
        "is erased too or the erased one stays."
    )


def _factor(encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary) -> RetainFactor:
    """Return the factor of the retain set for the paper's consistent form."""
    names, removed = selection.retained_of(vocabulary)
    texts = encoder.text_features(names, vocabulary.templates).T
    factor = _factors.get(encoder, (names, vocabulary.templates, mu), lambda: RetainFactor.fit(texts, mu))
    return factor.without(texts[:, removed])


def _around(
    encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary, constants: paired.Constants
) -> paired.RetainFactors:
    """Return the factors of the retain set and the additional words for the paired form.

    All candidate words are factored once and the excluded ones are removed from the factor afterwards, so that erasures
    of different concepts share the work.
    """
    around = set(selection.surroundings)
    retained, removed = selection.retained_of(vocabulary)
    if any(retained[i] in around for i in removed):  # in the vocabulary but not retained: lower weight
        retained, removed = selection.retain, []
    others = _others(retained, vocabulary)
    names = (*retained, *others)
    texts = encoder.text_features(names, vocabulary.templates).T
    weights = torch.cat([torch.ones(len(retained)), torch.full((len(others),), constants.others)])
    key = (names, len(retained), vocabulary.templates, mu, constants)
    whole = _retain_factors.get(encoder, key, lambda: paired.RetainFactors.fit(texts, mu, constants, weights=weights))
    return whole.without([*removed, *(i for i, name in enumerate(others, len(retained)) if name not in around)])
