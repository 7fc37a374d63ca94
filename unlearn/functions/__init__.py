"""The public functions, which Python users and the command line call."""
