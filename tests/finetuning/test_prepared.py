"""What is prepared for training is what the whole model would have made of it, and goes with the pictures."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from unlearn.data.gallery import Gallery
from unlearn.erasers.settings import TRAINABLE
from unlearn.finetuning.prepared import Frozen
from unlearn.finetuning.trainable import make_trainable
from unlearn.progress import run_to_end


@pytest.mark.parametrize("what", TRAINABLE)
def test_images_of_several_galleries_start_where_the_trained_part_does(toy, toy_gallery, what):
    frozen = Frozen(toy, make_trainable(toy, what), "float32")
    galleries = [Gallery(str(n), toy_gallery.test.images[n : n + 3]) for n in (0, 3)]
    first, second = run_to_end(frozen.images(galleries))
    with torch.no_grad():
        inputs = frozen.image_inputs([(second, 2), (first, 0), (second, 2)])
        features = frozen.trainable.image_features(inputs)
    whole = toy.encode_image([galleries[n].images[i].load() for n, i in ((1, 2), (0, 0), (1, 2))])
    torch.testing.assert_close(features, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.stack([second.original[2], first.original[0]]), whole[:2], atol=1e-5, rtol=0)


def test_what_is_remembered_does_not_keep_the_images_alive(toy, toy_gallery):
    frozen = Frozen(toy, make_trainable(toy, "projections"), "float32")
    gallery = Gallery("passing", toy_gallery.test.images[:2])
    kept = weakref.ref(run_to_end(frozen.images([gallery]))[0].kept)
    assert kept() is not None
    del gallery
    gc.collect()
    assert kept() is None
