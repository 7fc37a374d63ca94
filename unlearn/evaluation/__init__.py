"""What an encoder knows: zero-shot classification, retrieval, and how both change with an edit."""
