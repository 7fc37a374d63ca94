"""Mean similarity of images and texts, concept by concept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unlearn.clip.encoders import TextImageEncoder
from unlearn.data.gallery import Gallery


def image_text_similarity(
    encoder: TextImageEncoder, gallery: Gallery, names: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """Return the mean cosine of the images of each of ``names`` (rows) with the text of each (columns): (names, names).

    A row is NaN if ``gallery`` has no image of that name.
    """
    features, targets = encoder.image_features(gallery), gallery.targets(names)
    means = torch.stack([features[targets == i].mean(dim=0) for i in range(len(names))])
    return means @ encoder.text_features(names, templates).T
