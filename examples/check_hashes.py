"""Whether the files are those that erasure.json speaks of: the standard library alone."""

import hashlib
import json
from pathlib import Path

FOLDER = "erased"

record = json.loads(Path(FOLDER, "erasure.json").read_text(encoding="utf-8"))
print(record["method"], "of", ", ".join(concept["name"] for concept in record["concepts"]["forget"]))
for name, expected in record["sha256"].items():
    if name != "input":  # the base model
        path = Path(FOLDER, name)
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        print(name, "unchanged" if found == expected else "CHANGED" if found else "MISSING")
