"""`python -m stream.cli` is `regrade`, for where the script is not on the path."""

import sys

from stream.cli import main

sys.exit(main())
