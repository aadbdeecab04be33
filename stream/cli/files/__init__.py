"""Files as payloads: `read_file` knows which format is which."""

from stream.cli.files.read import read_file

__all__ = ["read_file"]
