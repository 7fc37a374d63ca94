"""Erasing methods, one a file. Each ends in an edited encoder; none knows of threads or screens."""
