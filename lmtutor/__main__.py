"""`python -m lmtutor`: see `lmtutor.command_line`."""

from lmtutor.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
