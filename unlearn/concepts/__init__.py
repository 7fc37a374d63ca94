"""Words: what is forgotten and retained, the vocabulary, and how names become prompts."""
