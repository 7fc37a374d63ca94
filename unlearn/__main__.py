"""``python -m unlearn erase | evaluate | bench``"""

from unlearn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
