"""Erasing methods, one per file. Each method returns an edit of an encoder; none depends on threads or the app."""
