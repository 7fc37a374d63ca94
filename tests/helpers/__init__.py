"""What several tests use: toy models, stand-in hubs, served apps, and visitors of them."""
