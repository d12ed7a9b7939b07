"""The program `carl`."""
import signal
import sys

from . import _carl


def main() -> int:
    """Runs the program with the command line of the process; returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _carl.main(["carl", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
