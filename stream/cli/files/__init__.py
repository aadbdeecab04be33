"""Files as payloads: one file a format, and `read_file` that knows which is which."""

from stream.cli.files.errors import FileProblem
from stream.cli.files.read import read_file

__all__ = ["FileProblem", "read_file"]
