"""CLIPErase for a visitor: a background run over the shared model, and the model that comes of it. No gradio here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace

from unlearn.concepts import Vocabulary, select
from unlearn.encoders import OpenClipEncoder, TextImageEncoder, class_embeddings
from unlearn.erasers import cliperase
from unlearn.errors import ModelError, require_whole
from unlearn.finetuning.sources import BUNDLED
from unlearn.gallery import Gallery, bundled_gallery, image_features
from unlearn.jobs import Status
from unlearn.ui.session import FineTuneRequest


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A finished run: the erasure, and the model it makes, which shares all other weights with the base model.

    Attributes:
        pictures: what it learned from, as :class:`unlearn.export.record.Record` has it.
        learned_own: whether pictures of the visitor's may have been among those.
    """

    erasure: cliperase.Erasure
    encoder: OpenClipEncoder
    pictures: str = ""
    learned_own: bool = False

    @property
    def base(self) -> str:
        """The name of the model that was fine-tuned."""
        return self.encoder.name.removesuffix(cliperase.FINE_TUNED)

    @property
    def forget_names(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names


def settings_of(request: FineTuneRequest, most_steps: int) -> cliperase.Settings:
    """What ``request`` says, and what suits where it says nothing.

    Raises:
        ParameterError: a number or a choice outside of what is allowed.
    """
    asked = {name: value for name, value in asdict(request).items() if name != "forget" and value is not None}
    settings = cliperase.Settings.of(**asked)
    if request.steps is None:
        return replace(settings, steps=min(settings.steps, most_steps))
    require_whole("steps", request.steps, largest=most_steps)
    return settings


Run = Callable[[], Generator[cliperase.Progress, None, FineTuned]]
RunStatus = Status[cliperase.Progress, FineTuned]


def prepare_run(
    encoder: TextImageEncoder,
    request: FineTuneRequest,
    *,
    training: Gallery,
    own: Gallery | None,
    probe: Gallery,
    vocabulary: Vocabulary,
    most_steps: int,
) -> Run:
    """Check everything now, and return the run as :class:`unlearn.jobs.Jobs` takes it.

    Args:
        encoder: the shared model.
        request: concepts and settings.
        training: the server's pictures to train on.
        own: the visitor's to train on too, if any.
        probe: pictures that the views will measure on, none of those.
        vocabulary: the labels in use.
        most_steps: how many a run may make.

    Raises:
        ConceptError, ParameterError, PictureError, ModelError: it cannot be run; the message says why.
    """
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("This model cannot be fine-tuned; CCUP needs no training.")
    settings = settings_of(request, most_steps)
    selection = select(request.forget, vocabulary=vocabulary)
    run = cliperase.train(
        encoder,
        selection,
        settings,
        galleries=[training, own] if own else [training],
        probe=probe,
        vocabulary=vocabulary,
    )

    def start() -> Generator[cliperase.Progress, None, FineTuned]:
        erasure = yield from run
        edited = erasure.apply(encoder)
        # What every view asks for first, encoded here, so that the page does not wait for it.
        image_features(edited, probe)
        class_embeddings(edited, vocabulary.names, vocabulary.templates)
        only_bundled = own is None and training is bundled_gallery().train
        return FineTuned(erasure, edited, BUNDLED if only_bundled else "", learned_own=own is not None)

    return start
