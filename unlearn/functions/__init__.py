"""The functions that Python users, and the command line, call: one way to do what the screen does."""
