"""Asks for models as a visitor does, and prints what became of each: run in a process of its own, beside a hub."""

from __future__ import annotations

import json
import sys
import warnings

from PIL import Image

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.clip.models import Models
from unlearn.errors import UnlearnError


def main() -> None:
    warnings.simplefilter("ignore")
    models = Models(load_clip("pocket", device="cpu"), offered="any")
    became: dict[str, object] = {}
    for name in sys.argv[1:]:
        try:
            encoder = models.get(name)
        except UnlearnError as error:
            became[name] = str(error)
        except BaseException as error:
            became[name] = {"raised": repr(error)[:300]}
        else:
            assert isinstance(encoder, OpenClipEncoder)
            image = Image.radial_gradient("L").convert("RGB")
            became[name] = [*encoder.encode_text(["a cat"])[0].tolist(), *encoder.encode_image([image])[0].tolist()]
    sys.stdout.write("\n" + json.dumps(became))


if __name__ == "__main__":
    main()
