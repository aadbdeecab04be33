"""Which payload a file holds: told by its first bytes and its name, or by the user."""

from collections.abc import Callable
from pathlib import Path

from schemas.errors import RecordError
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.modality import Modality
from schemas.observation import Payload, Spectral, Text, Thermal, Visual
from stream.cli.files.errors import FileProblem
from stream.cli.files.grid import read_npy
from stream.cli.files.tables import (
    battery,
    looks_like_battery,
    looks_like_spectrum,
    read_table,
    spectrum,
    thermal,
)
from stream.cli.files.wav import read_wav

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
NOTES = frozenset({".txt", ".md"})
TABLES = frozenset({".csv", ".tsv"})


def read_file(
    path: Path,
    *,
    modality: str | None = None,
    unit: str | None = None,
    language: str = "en",
    limits: Limits = DEFAULT_LIMITS,
) -> Payload:
    """The payload in a file.

    Args:
        modality: None: told by the file.
        unit: of a spectrum's axis, `nm` or `cm-1`; None: told by its heading.
        language: of a note.

    Raises:
        FileProblem: it cannot be read, does not say what it is, or is not what was asked for.
    """
    data = _bytes(path, limits)
    try:
        wanted = Modality(modality) if modality else _guess(path, data)
        payload = _READERS[wanted](path, data, unit, language)
    except FileProblem as problem:
        raise FileProblem(f"{path}: {problem}") from None
    except RecordError as error:
        raise FileProblem(f"{path}: {error}") from error
    return payload


def _bytes(path: Path, limits: Limits) -> bytes:
    # Text takes several times the bytes of the numbers it says, so the bound is generous.
    most = 8 * limits.record_bytes
    try:
        if path.stat().st_size > most:
            raise FileProblem(f"{path} has {path.stat().st_size} bytes; at most {most} are read")
        return path.read_bytes()
    except OSError as error:
        raise FileProblem(f"cannot read {path}: {error.strerror}") from error


def _guess(path: Path, data: bytes) -> Modality:
    suffix = path.suffix.lower()
    if data.startswith((JPEG, PNG)):
        return Modality.VISUAL
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return Modality.ACOUSTIC
    if data.startswith(b"\x93NUMPY"):
        return Modality.THERMAL
    if suffix in NOTES:
        return Modality.TEXT
    if suffix in TABLES:
        table = read_table(data)
        if looks_like_battery(table):
            return Modality.BATTERY
        if looks_like_spectrum(table):
            return Modality.SPECTRAL
        raise FileProblem(
            f"a table of {table.columns} columns without a heading that tells what it is;"
            " say --modality battery, spectral or thermal"
        )
    raise FileProblem(
        "neither its first bytes nor its name tell what it is; say --modality visual, spectral,"
        " text, thermal, acoustic or battery"
    )


def _visual(path: Path, data: bytes, unit: str | None, language: str) -> Payload:
    if data.startswith(JPEG):
        return Visual(data, "image/jpeg")
    if data.startswith(PNG):
        return Visual(data, "image/png")
    raise FileProblem("neither JPEG nor PNG; convert the photo to one of them")


def _spectral(path: Path, data: bytes, unit: str | None, language: str) -> Spectral:
    return spectrum(read_table(data), unit)


def _text(path: Path, data: bytes, unit: str | None, language: str) -> Text:
    try:
        return Text(data.decode("utf-8-sig"), language)
    except UnicodeDecodeError:
        raise FileProblem("not UTF-8; save the note in that encoding") from None


def _thermal(path: Path, data: bytes, unit: str | None, language: str) -> Thermal:
    if data.startswith(b"\x93NUMPY"):
        return read_npy(data)
    return thermal(read_table(data))


def _acoustic(path: Path, data: bytes, unit: str | None, language: str) -> Payload:
    return read_wav(data)


def _battery(path: Path, data: bytes, unit: str | None, language: str) -> Payload:
    return battery(read_table(data))


_READERS: dict[Modality, Callable[[Path, bytes, str | None, str], Payload]] = {
    Modality.VISUAL: _visual,
    Modality.SPECTRAL: _spectral,
    Modality.TEXT: _text,
    Modality.THERMAL: _thermal,
    Modality.ACOUSTIC: _acoustic,
    Modality.BATTERY: _battery,
}
