"""What is wrong with a file."""

from schemas.errors import RegradeError


class FileProblem(RegradeError):
    """A file cannot be an observation; the message names it and says what to do."""
