"""The CLIP models of a running app: a curated list, and the models in memory."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.caching import Loaded
from unlearn.clip.encoders import TextImageEncoder
from unlearn.clip.loading import AUTOMATIC, load_clip
from unlearn.errors import ModelError, require_choice


@dataclass(frozen=True)
class Curated:
    """A recommended model: its number of parameters in millions, and the licence of its weights."""

    millions: float
    licence: str


#: Each is fetched at its commit in :data:`unlearn.clip.repositories.PINNED`. Sizes are computed from open_clip's
#: architectures; licences are those of the repositories that open_clip downloads.
CURATED = {
    "pocket": Curated(9.2, "Apache-2.0"),
    "ViT-B-32/laion2b_s34b_b79k": Curated(151.3, "MIT"),
    "ViT-L-14/openai": Curated(427.6, "MIT"),
    "ViT-H-14/laion2b_s32b_b79k": Curated(986.1, "MIT"),
    "MobileCLIP-S1/datacompdr": Curated(85.0, "Apple, research only"),
}
#: Models that visitors may load: any model on a hub, those of ``CURATED``, or only the app's own model.
OFFERED = ("any", "curated", "own")
#: Number of models kept in memory besides the one that the app started with.
KEPT = 2


class Models:
    """The models in memory, shared by all visitors: the app's own model and the most recently used others."""

    def __init__(self, own: TextImageEncoder, precision: str = AUTOMATIC, offered: str = "curated") -> None:
        self.own = own
        self.offered = require_choice("UNLEARN_VISITORS_MODELS", offered, OFFERED)
        self._others: Loaded[TextImageEncoder] = Loaded(
            lambda name: load_clip(name, precision=precision, from_files=False), KEPT
        )

    def get(self, name: str) -> TextImageEncoder:
        """Return the model ``name``, the app's own for ``""``; load it if needed and drop the least recently used one.

        Raises:
            ModelError: the model does not exist, is not offered, or cannot be loaded.
        """
        found = self.find(name)
        if found is None:
            self._require_offered(name)
            found = self._others.get(name)
        return found

    def find(self, name: str) -> TextImageEncoder | None:
        """Return the model ``name`` if it is in memory, else None."""
        return self.own if name in ("", self.own.name) else self._others.find(name)

    def _require_offered(self, name: str) -> None:
        """Raise unless visitors may load the model ``name``: they must not fill the host's disk and network."""
        if self.offered == "own" or (self.offered == "curated" and name not in CURATED):
            others = [other for other in CURATED if other != self.own.name] if self.offered == "curated" else []
            raise ModelError(f"“{name}” is not offered here. Choose one of {', '.join([self.own.name, *others])}.")
