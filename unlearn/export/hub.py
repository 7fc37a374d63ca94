"""Upload of an exported folder to a hub."""

from __future__ import annotations

import os
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from unlearn.clip.repositories import Repository
from unlearn.errors import ModelError, ParameterError
from unlearn.export.card import CARD
from unlearn.export.saved import RECORD
from unlearn.files.writing import listed_in


def require_repository(name: str) -> None:
    """Raise unless ``name`` can be a repository on a hub and somebody is logged in.

    Raises:
        ModelError: the name is not ORG/REPO.
        ParameterError: nobody is logged in, or no hub may be asked.
    """
    Repository(name)
    if os.environ.get("HF_HUB_OFFLINE", "") in {"1", "true", "yes", "on"}:
        raise ParameterError("HF_HUB_OFFLINE is set, so nothing can be pushed to a hub.")
    if get_token() is None:
        raise ParameterError("Nobody is logged in to a hub: run `hf auth login`, or set HF_TOKEN.")


def push(folder: Path, repository: str) -> str:
    """Upload the files of an erasure, and nothing else in ``folder``, to a repository; return its address.

    The repository is created if needed.

    Raises:
        ModelError: the hub cannot be reached, or refuses.
    """
    api = HfApi()
    files = [CARD, RECORD, *listed_in(folder / RECORD)]
    try:
        address = api.create_repo(repository, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=folder, allow_patterns=files, commit_message="Add an edited model"
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise ModelError(
            f"“{repository}” could not be written on the hub ({type(error).__name__}: {str(error)[:200]}). The files "
            f"are in “{folder}”; `hf upload {repository} {folder}` uploads them later."
        ) from error
    return str(address)
