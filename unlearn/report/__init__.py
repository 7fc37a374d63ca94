"""Report of an erasure as one self-contained HTML page: what was erased, what it costs, and how to repeat it."""
