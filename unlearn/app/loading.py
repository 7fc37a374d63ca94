"""Loading of the models and data that all visitors share."""

from __future__ import annotations

import logging
from typing import Any

from unlearn.app.services import NOTHING, Services
from unlearn.clip.encoders import TextImageEncoder
from unlearn.clip.loading import load_clip
from unlearn.clip.models import Models
from unlearn.concepts.selection import Vocabulary, load_vocabulary
from unlearn.config import Settings
from unlearn.data.gallery import bundled_gallery, folder_gallery, restore_features
from unlearn.erasers import ccup
from unlearn.errors import ModelError
from unlearn.files.downloads import Downloads
from unlearn.finetuning.pairs import hold_out
from unlearn.index.search import ImageIndex
from unlearn.jobs import Jobs

logger = logging.getLogger(__name__)


def load_services(settings: Settings) -> Services:
    """Load the models and data that all visitors share; this takes seconds, so call it off the main thread.

    Raises:
        ModelError, ImageError: the model or a folder in the settings cannot be used.
    """
    encoder = load_clip(settings.model, precision=settings.precision)
    index = open_index(settings.index, encoder)
    if settings.gallery:
        folder = hold_out(folder_gallery(settings.gallery))
        for notice in folder.notices:
            logger.warning("%s: %s", settings.gallery, notice)
        vocabulary = Vocabulary.of(folder.concepts)
        # With fewer than five images of some concept, none can be spared for training.
        enough = set(folder.test.concepts) == set(folder.concepts)
        gallery, training = (folder.test, folder.train) if enough else (folder, NOTHING)
    else:
        gallery, training, vocabulary = bundled_gallery().test, bundled_gallery().train, load_vocabulary()
        restore_features(encoder)
    # Shipped embeddings make this instant; otherwise, better to encode now than during the first visit.
    encoder.image_features(gallery, progress=True)
    encoder.text_features(ccup.words_read(vocabulary), vocabulary.templates)
    models = Models(encoder, settings.precision, settings.visitors_models)
    jobs = Jobs[Any, Any](minutes=settings.max_run_minutes, per_payer=settings.max_runs_per_address)
    downloads = Downloads(settings.max_downloads_mb * 1_000_000)
    return Services(models, gallery, vocabulary, settings, training, index, jobs, downloads=downloads)


def open_index(folder: str, encoder: TextImageEncoder) -> ImageIndex | None:
    """Open the index named in the settings; return None if they name none.

    Raises:
        ImageError: ``folder`` has no index, or the index is damaged.
        ModelError: the index was made with other weights than the app's.
    """
    if not folder:
        return None
    index = ImageIndex.open(folder)
    if not index.answers(encoder):
        raise ModelError(
            f"The index “{folder}” was made by “{index.store.header.model}”; the app runs “{encoder.name}”, which has "
            f"other weights. Make one for it with python -m unlearn index --model {encoder.name}, or set UNLEARN_MODEL."
        )
    index.require_fit(encoder)
    return index
