"""Export of an erasure as files for this and other tools, with the code that loads them."""
