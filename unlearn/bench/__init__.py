"""Measurements for the README and docs/measured.md. Each module has ``run(quick) -> Table``; nobody types a number."""
