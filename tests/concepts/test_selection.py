from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn.concepts import other_names
from unlearn.concepts.named_vocabularies import match_names
from unlearn.concepts.other_names import plain_key
from unlearn.concepts.prompts import Concept, plural, prompts, surface_forms
from unlearn.concepts.selection import MAX_CONCEPT_LENGTH, Vocabulary, clean_name, load_vocabulary, parse_names, select
from unlearn.errors import ConceptError

ANIMALS = Vocabulary((Concept("cat", ("kitty", "feline")), Concept("dog", ("puppy",)), Concept("fox")))


def test_names_are_split_trimmed_and_deduplicated():
    assert parse_names(" cat,  Dog\nhot   dog; CAT ") == ("cat", "Dog", "hot dog")


def test_invisible_characters_do_not_make_a_second_concept():
    assert parse_names(["cat", "\u202ec\u200bat\u2069"]) == ("cat",)


@given(st.text(max_size=100))
def test_any_text_is_cleaned_or_refused_in_a_sentence(text):
    try:
        name = clean_name(text)
    except ConceptError as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert name == "" or (len(name) <= MAX_CONCEPT_LENGTH and clean_name(name) == name)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("x" * 10_000, "10,000 characters is too long"),
        ("x" * 100, "at most 80"),
        ("🐱", "no letters"),
        ([f"thing {i}x" for i in range(500)], "name at most 128"),
        ([3], "must be text"),
    ],
)
def test_unusable_names_say_what_is_allowed(names, said):
    with pytest.raises(ConceptError, match=said):
        parse_names(names)


def test_right_to_left_and_unknown_words_are_taken_with_a_notice():
    selection = select(["قطة", "qwertz"], vocabulary=ANIMALS)
    assert selection.forget_names == ("قطة", "qwertz")
    assert len(selection.notices) == 2
    assert "not in the vocabulary" in selection.notices[0]


def test_a_synonym_stands_for_its_concept():
    selection = select(["Kitty", "cat"], vocabulary=ANIMALS)
    assert selection.forget_names == ("cat",)
    assert selection.retain == ("dog", "fox")
    assert "another word for “cat”" in selection.notices[0]


@pytest.mark.parametrize(
    ("forget", "retain", "said"),
    [
        ([], None, "No concept to erase"),
        ("  , ", None, "No concept to erase"),
        (["cat", "dog", "fox"], None, "All 3 concepts"),
        (["cat"], [], "retain list is empty"),
        (["cat"], ["dog", "cat"], "“cat” is to be erased and to be retained"),
        (["cat"], ["feline"], "“feline” is to be erased and to be retained"),
    ],
)
def test_contradictions_are_named(forget, retain, said):
    with pytest.raises(ConceptError, match=said):
        select(forget, retain, vocabulary=ANIMALS)


def test_a_concept_is_widened_by_its_synonyms_and_an_unknown_word_by_its_plural():
    assert surface_forms(ANIMALS.concepts[0]) == ("cat", "kitty", "feline")
    assert surface_forms(ANIMALS.concepts[0], synonyms=False) == ("cat",)
    assert surface_forms(select("zorb", vocabulary=ANIMALS).forget[0]) == ("zorb", "zorbs")
    assert [plural(w) for w in ("cat", "fox", "berry", "monkey", "peach")] == [
        "cats",
        "foxes",
        "berries",
        "monkeys",
        "peaches",
    ]


def test_prompts_use_the_right_article():
    assert prompts("owl", ("{}", "a photo of a {}")) == ["owl", "a photo of an owl"]
    assert prompts("cat", ("a {}",)) == ["a cat"]


def test_bundled_vocabulary_is_unambiguous():
    vocabulary = load_vocabulary()
    names = [name.casefold() for name in vocabulary.names]
    assert len(names) >= 300
    assert len(set(names)) == len(names)
    # A synonym that is another concept's name would erase the wrong thing.
    assert not {s.casefold() for c in vocabulary.concepts for s in c.synonyms} & set(names)
    assert all(clean_name(name) == name for name in vocabulary.names)


def test_vocabulary_file_is_read(tmp_path):
    entry = {"name": "cat", "synonyms": ["kitty"], "group": "animals", "subgroup": "mammals"}
    (tmp_path / "v.json").write_text(json.dumps([entry]))
    assert load_vocabulary(tmp_path / "v.json").concepts == (Concept("cat", ("kitty",), "animals", "mammals"),)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("ice_cream", "ice cream"), ('"dog"', "dog"), ("'dog'", "dog"), ("“hot dog”", "hot dog"), ("„Hund“", "Hund"),
     ("«chat»", "chat"), ("it's", "it's"), ("rock 'n' roll", "rock 'n' roll"), ("__cat__", "cat"), ('"', None)],
)  # fmt: skip
def test_underscores_and_quotes_are_read_as_people_mean_them(written, meant):
    if meant is None:
        with pytest.raises(ConceptError, match="no letters"):
            clean_name(written)
    else:
        assert clean_name(written) == meant


def test_names_are_found_in_every_spelling_and_others_are_said():
    classes = Vocabulary.of(["T shirt", "ice cream", "cat"])
    assert match_names(["t-shirt", "Ice Cream", "kitten"], classes) == (("T shirt", "ice cream", "cat"), [])
    names, (notice,) = match_names(["catt"], classes)
    assert names == ("catt",)
    assert notice.startswith("“catt” is none of the classes")
    assert notice.endswith("Did you mean “cat”?")
    assert "Did you mean" in select("catt", vocabulary=classes).notices[0]
    assert select("T-shirt", vocabulary=classes).notices == ()


@pytest.mark.parametrize(
    ("phrase", "within"),
    [
        ("a photo of a cat", "cat"),
        ("my two Dogs", "dog"),
        ("an ice-cream van", "ice cream"),
        ("a category", None),
        ("zorblax", None),
    ],
)
def test_a_phrase_says_which_concept_goes_with_it(phrase, within):
    selection = select(phrase, vocabulary=load_vocabulary())
    said = [notice for notice in selection.notices if "goes with it" in notice]
    assert bool(said) is (within is not None)
    if within:
        assert f"“{within}” goes with it" in said[0]


@pytest.mark.parametrize(
    ("word", "concept"),
    [("Hund", "dog"), ("perro", "dog"), ("elefant", "elephant"), ("boat", "sailboat"), ("couch", "sofa"),
     ("Platano", "banana"), ("Regenschirm", "umbrella")],
)  # fmt: skip
def test_other_names_and_other_languages_find_the_concept(word, concept):
    selection = select([word], vocabulary=load_vocabulary())
    assert selection.forget_names == (concept,)
    assert word in surface_forms(selection.forget[0]), "the word itself stops working too"
    assert "another word for" in selection.notices[0]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("dgo", ("dog",)), ("golden retriever", ("dog",)), ("cup", ("coffee",)), ("gitar", ("guitar",)), ("zorb", ()),
     ("violet", ()), ("rug", ()), ("my face", ())],
)  # fmt: skip
def test_unknown_words_may_mean_something_near_or_nothing(word, meant):
    unknown = load_vocabulary().unknown(word)
    assert unknown.meant == meant
    assert ("Did you mean" in str(unknown)) == bool(meant)


def test_a_leaking_word_is_erased_with_its_concept_in_any_order():
    for names in (["umbrella", "parapluie"], ["parapluie", "umbrella"]):
        (concept,) = select(names, vocabulary=load_vocabulary()).forget
        assert concept.name == "umbrella"
        assert "parapluie" in concept.synonyms


def test_other_names_mean_one_thing_and_are_no_names_in_the_vocabulary():
    vocabulary, entries = load_vocabulary(), json.loads(other_names.FILE.read_text(encoding="utf-8"))
    meanings: dict[str, set[str]] = {}
    for name, entry in entries.items():
        assert set(entry) <= {"same", "near", *other_names.LANGUAGES}
        for word in (word for words in entry.values() for word in words):
            meanings.setdefault(plain_key(word), set()).add(name)
            assert (vocabulary.listed(word) or Concept(name)).name == name, f"{word} is something else"
            assert clean_name(word) == word
    assert {word: names for word, names in meanings.items() if len(names) > 1} == {}


def test_names_of_a_class_list_stay_apart_from_other_words_for_it():
    classes = Vocabulary.of(["Hund", "dog", "cup"])
    assert [concept.name for concept in classes.concepts] == ["Hund", "dog", "cup"]
    assert classes.find("Hund") == classes.concepts[0]
