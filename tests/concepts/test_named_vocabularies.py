"""Vocabularies by name: each word once, synonyms where they are known, and every one works for an erasure."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest

from unlearn.concepts.named_vocabularies import VOCABULARIES, named_vocabulary, vocabulary_argument, vocabulary_text
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup
from unlearn.errors import ConceptError
from unlearn.evaluation.neighbours import nearest_neighbours


@pytest.mark.parametrize(("name", "words"), [("bundled", 466), ("imagenet", 998), ("cifar100", 100)])
def test_each_word_stands_once_and_finds_itself(name, words):
    vocabulary = named_vocabulary(name)
    assert len(vocabulary.names) == len({name.casefold() for name in vocabulary.names}) == words
    assert all(vocabulary.find(concept.name) is concept for concept in vocabulary.concepts)


def test_imagenets_double_names_are_one_concept_each():
    assert set(named_vocabulary("imagenet").names) == set(open_clip.IMAGENET_CLASSNAMES)


def test_words_have_the_synonyms_that_are_known_or_their_plural():
    vocabulary = Vocabulary.of(["cat", "flux capacitor"])
    assert "kitty" in vocabulary.find("cat").synonyms
    assert vocabulary.find("flux capacitor").synonyms == ("flux capacitors",)


def test_a_word_of_the_list_is_no_synonym_of_another():
    kitty = Vocabulary.of(["cat", "kitty"])
    assert kitty.find("kitty").name == "kitty"
    assert "kitty" not in kitty.find("cat").synonyms
    assert "cat" not in kitty.find("kitty").synonyms


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_concept_of_any_vocabulary_is_erased_and_has_neighbours(name, words):
    vocabulary = named_vocabulary(name)
    selection = select(vocabulary.names[7], vocabulary=vocabulary)
    assert len(selection.retain) == len(vocabulary.names) - 1
    small = Vocabulary(vocabulary.concepts[:40])
    erasure = ccup.erase(words, select(small.names[7], vocabulary=small), vocabulary=small)
    assert erasure.projection.matrix.shape == (words.embed_dim, words.embed_dim)
    assert nearest_neighbours(words, [small.names[7]], small)


def test_a_list_of_ones_own():
    assert named_vocabulary("mug, spoon\nkettle, Mug").names == ("mug", "spoon", "kettle")
    for text, said in ((" ", "at least two words"), ("mug", "at least two words"), ("mug, 12", "no letters")):
        with pytest.raises(ConceptError, match=said):
            named_vocabulary(text)
    with pytest.raises(ConceptError, match="too many"):
        named_vocabulary(", ".join(f"word{'a' * (i % 50)}{i}" for i in range(3000)))


def test_the_command_line_reads_a_file(tmp_path):
    (tmp_path / "words.txt").write_text("mug\nspoon\n")
    assert vocabulary_argument(str(tmp_path / "words.txt")).names == ("mug", "spoon")
    assert vocabulary_argument("cifar100") is named_vocabulary("cifar100")
    with pytest.raises(ConceptError, match="neither a file nor one of bundled, imagenet, cifar100"):
        vocabulary_argument("mug spoon")


def test_imagenets_templates_are_open_clips():
    imagenet, plain = named_vocabulary("imagenet"), named_vocabulary("cifar100")
    assert imagenet.templates == tuple(write("{}") for write in open_clip.SIMPLE_IMAGENET_TEMPLATES)
    assert plain.templates == TEMPLATES


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    "data",
    ["cat\ndog\nhorse".encode("utf-16"), b"\xef\xbb\xbfcat\r\ndog\r\nhorse", b'"cat"\n"dog"\n"horse"\n',
     b"# my classes\ncat\n  # dogs\ndog\nhorse\n", b"'cat'; dog, horse"],
    ids=["utf-16", "bom", "quoted", "comments", "separators"],
)  # fmt: skip
def test_lists_of_other_programs_are_read(tmp_path, data):
    assert vocabulary_argument(written(tmp_path / "list.txt", data)).names == ("cat", "dog", "horse")


def test_a_comma_in_quotes_is_part_of_the_name_also_after_it_was_written(tmp_path):
    vocabulary = vocabulary_argument(written(tmp_path / "list.csv", b'"horse, brown"\n12" vinyl, 7" vinyl'))
    assert vocabulary.names == ("horse, brown", '12" vinyl', '7" vinyl')
    assert named_vocabulary(vocabulary_text(vocabulary)) == vocabulary


@pytest.mark.parametrize(
    "data", ["café\nthé".encode("latin-1"), "cat\ndog".encode("utf-16-le"), b"\x89PNG\r\n\x1a\n\0\0"]
)
def test_a_list_that_is_no_utf8_is_refused_with_what_is_wanted(tmp_path, data):
    with pytest.raises(ConceptError, match="not text in UTF-8; save it as UTF-8"):
        vocabulary_argument(written(tmp_path / "list.txt", data))


def test_a_folder_as_a_list_is_refused(tmp_path):
    with pytest.raises(ConceptError, match="is not a file"):
        vocabulary_argument(str(tmp_path))
