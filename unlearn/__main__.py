"""``python -m unlearn COMMAND``, one of :data:`unlearn.cli.COMMANDS`."""

from unlearn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
