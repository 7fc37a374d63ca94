"""Reading and writing of files: validation against schemas, atomic writes, and temporary folders."""
