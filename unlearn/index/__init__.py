"""Indexes of large image collections: embeddings on disk, searched before and after an erasure."""
