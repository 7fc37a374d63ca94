"""The code in docs/api.md does what it says, against the app as it is started."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_code_for_clients_runs_as_it_is_written(real_app: str, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(compile(block.replace("http://localhost:7860", real_app), PAGE.name, "exec"), {})  # noqa: S102
    assert "'state': 'done'" in capsys.readouterr().out
