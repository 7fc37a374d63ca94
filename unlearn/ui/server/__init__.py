"""The ASGI side: request filter, rate limit, sessions, uploads."""
