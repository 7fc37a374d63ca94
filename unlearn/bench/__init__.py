"""Measurements for the README and docs/measured.md. Each module's ``run`` returns a table, or a tuple of them."""
