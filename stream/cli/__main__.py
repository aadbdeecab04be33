"""`python -m stream.cli` is `regrade`, for where the script is not on the path."""

import sys

from stream.cli import main

# Not in the processes that a command spawns: they import this module, too.
if __name__ == "__main__":
    sys.exit(main())
