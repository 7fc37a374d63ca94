"""Whether the files are those that erasure.json speaks of: the standard library alone."""

import hashlib
import json
from pathlib import Path

FOLDER = "erased"
FILES = {"edit": "edit.safetensors", "output": "model.safetensors", "transformers": "transformers/model.safetensors"}

record = json.loads(Path(FOLDER, "erasure.json").read_text(encoding="utf-8"))
print(record["method"], "of", ", ".join(concept["name"] for concept in record["concepts"]["forget"]))
for key, name in FILES.items():
    if key in record["sha256"]:
        found = hashlib.sha256(Path(FOLDER, name).read_bytes()).hexdigest()
        print(name, "unchanged" if found == record["sha256"][key] else "CHANGED")
