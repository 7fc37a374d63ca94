"""An erasure as files: for other tools, for this one again, and the code that loads each."""
