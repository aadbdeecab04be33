"""Which payload a file holds: told by its first bytes and its name, or by the user."""

import io
from pathlib import Path

import numpy as np

from schemas.errors import RecordError
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.modality import Modality
from schemas.observation import Payload, Text, Thermal, Visual
from stream.cli.files.tables import battery, modality_of, read_table, spectrum, thermal
from stream.cli.files.wav import read_wav
from stream.errors import FileProblem

JPEG, PNG, NPY = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\x93NUMPY"


def read_file(
    path: Path,
    *,
    modality: str | None = None,
    unit: str | None = None,
    language: str = "en",
    limits: Limits = DEFAULT_LIMITS,
) -> Payload:
    """Returns the payload in a file.

    Args:
        path: of the file.
        modality: None: told by the file.
        unit: of a spectrum's axis, `nm` or `cm-1`; None: told by its heading.
        language: of a note.
        limits: text takes several times the bytes of the numbers it says, so eight times
            `record_bytes` are read.

    Raises:
        FileProblem: it cannot be read, does not say what it is, or is not what was asked for.
    """
    most = 8 * limits.record_bytes
    try:
        if path.stat().st_size > most:
            raise FileProblem(f"it has {path.stat().st_size} bytes; at most {most} are read")
        data = path.read_bytes()
        return _payload(
            Modality(modality) if modality else _guess(path, data), data, unit, language
        )
    except OSError as error:
        raise FileProblem(f"cannot read {path}: {error.strerror}") from error
    except (FileProblem, RecordError) as error:
        raise FileProblem(f"{path}: {error}") from error


def _guess(path: Path, data: bytes) -> Modality:
    if data.startswith((JPEG, PNG)):
        return Modality.VISUAL
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return Modality.ACOUSTIC
    if data.startswith(NPY):
        return Modality.THERMAL
    if path.suffix.lower() in (".txt", ".md"):
        return Modality.TEXT
    if path.suffix.lower() in (".csv", ".tsv"):
        return modality_of(read_table(data))
    raise FileProblem(
        "neither its first bytes nor its name tell what it is; say --modality visual, spectral,"
        " text, thermal, acoustic or battery"
    )


def _payload(modality: Modality, data: bytes, unit: str | None, language: str) -> Payload:
    match modality:
        case Modality.VISUAL if data.startswith(JPEG):
            return Visual(data, "image/jpeg")
        case Modality.VISUAL if data.startswith(PNG):
            return Visual(data, "image/png")
        case Modality.VISUAL:
            raise FileProblem("neither JPEG nor PNG; convert the photo to one of them")
        case Modality.SPECTRAL:
            return spectrum(read_table(data), unit)
        case Modality.TEXT:
            try:
                return Text(data.decode("utf-8-sig"), language)
            except UnicodeDecodeError:
                raise FileProblem("not UTF-8; save the note in that encoding") from None
        case Modality.THERMAL if data.startswith(NPY):
            return _npy(data)
        case Modality.THERMAL:
            return thermal(read_table(data))
        case Modality.ACOUSTIC:
            return read_wav(data)
        case Modality.BATTERY:
            return battery(read_table(data))


def _npy(data: bytes) -> Thermal:
    """Returns the grid in a .npy file; pickled objects are refused, for they can run code."""
    try:
        grid = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FileProblem(f"not a readable .npy file: {error}") from error
    if not np.issubdtype(grid.dtype, np.number) or np.iscomplexobj(grid) or grid.ndim != 2:
        raise FileProblem(
            f"a thermal grid is two-dimensional and of real numbers, this is {grid.dtype}"
            f" of shape {grid.shape}"
        )
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which Thermal refuses
        return Thermal(grid.astype(np.float32))
