"""Write the embeddings of the bundled gallery and vocabulary, so that the app does not start by computing them."""

from __future__ import annotations

from unlearn.clip.loading import load_clip
from unlearn.data.gallery import SHIPPED_FEATURES, save_features

if __name__ == "__main__":
    save_features(load_clip("pocket", device="cpu"))
    print(f"{SHIPPED_FEATURES.name}: {SHIPPED_FEATURES.stat().st_size / 1e6:.1f} MB")
