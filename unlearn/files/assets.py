"""Files that ship with the code: models, images and words in ``assets``, and scripts in ``examples``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("unlearn")))
#: The folder of both: the package itself once it is installed, its parent in a checkout.
SHIPPED = _PACKAGE if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent
ASSETS, EXAMPLES = SHIPPED / "assets", SHIPPED / "examples"
