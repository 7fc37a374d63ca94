"""The public functions, which Python users and the command line call.

``unlearn`` offers them to users. The command line finds here, loaded at first use, what it needs besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn import late

if TYPE_CHECKING:
    from unlearn.clip.loading import pick_device
    from unlearn.export.hub import require_repository
    from unlearn.export.saved import require_own
    from unlearn.finetuning.processes import Processes

__all__ = ["Processes", "pick_device", "require_own", "require_repository"]

__getattr__ = late.names(
    __name__,
    {
        "Processes": "unlearn.finetuning.processes:Processes",
        "pick_device": "unlearn.clip.loading:pick_device",
        "require_own": "unlearn.export.saved:require_own",
        "require_repository": "unlearn.export.hub:require_repository",
    },
)
