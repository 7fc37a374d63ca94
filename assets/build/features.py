"""Write the embeddings of the bundled gallery and vocabulary, so that the app does not start by computing them."""

from __future__ import annotations

from unlearn.gallery import SHIPPED_FEATURES, save_features
from unlearn.loading import load_clip

if __name__ == "__main__":
    save_features(load_clip("pocket", device="cpu"))
    print(f"{SHIPPED_FEATURES.name}: {SHIPPED_FEATURES.stat().st_size / 1e6:.1f} MB")
