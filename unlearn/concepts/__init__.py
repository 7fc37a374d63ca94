"""Names of concepts: forget and retain sets, vocabularies, and prompts."""
