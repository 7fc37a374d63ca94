"""Collections too large to hold in memory: embeddings on disk, searched before and after an erasure."""
