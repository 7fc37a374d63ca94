"""Endpoints for programs and assistants."""
