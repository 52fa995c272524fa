"""`python -m isocenter` and the `isocenter` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    from isocenter.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
