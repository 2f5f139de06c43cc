"""The door of the course's command line: `python -m utils.course`."""

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 good, 1 not as wanted, 2 an error."""
    from utils.running import cli

    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
