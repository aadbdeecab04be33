"""WAV recordings, PCM of 8 to 32 bits or float; several channels are averaged.

Python's `wave` module reads no float files, so the chunks are read here.
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Acoustic
from stream.errors import FileProblem

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_FLOATS = {32: "<f4", 64: "<f8"}


def read_wav(data: bytes) -> Acoustic:
    """The recording in a WAV file, mono, full scale 1.

    Raises:
        FileProblem: it is damaged, or its coding is another one.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise FileProblem("not a WAV file; convert the recording to WAV, 16 bits")
    chunks = dict(_chunks(data))
    form, body = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    if len(form) < 16 or not body:
        raise FileProblem("the WAV file is truncated: it has no format or no samples")
    coding, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", form[:16])
    if coding == EXTENSIBLE and len(form) >= 26:
        coding = int.from_bytes(form[24:26], "little")  # the sub-format's first two bytes
    if channels < 1 or frame != channels * bits // 8 or frame < 1:
        raise FileProblem("the WAV file's format chunk contradicts itself; convert it anew")
    body = body[: len(body) // frame * frame]
    frames = _samples(coding, bits, body).reshape(-1, channels)
    # Of one channel as it is: the mean would round.
    mono = frames[:, 0] if channels == 1 else frames.mean(axis=1)
    return Acoustic(mono.astype(np.float32), rate)


def _samples(coding: int, bits: int, body: bytes) -> NDArray[np.float64]:
    if coding == FLOAT and bits in _FLOATS:
        return np.frombuffer(body, _FLOATS[bits]).astype(np.float64)
    if coding == PCM and bits == 8:  # alone of all unsigned
        return (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    if coding == PCM and bits in (16, 24, 32):
        size = bits // 8
        wide = np.zeros((len(body) // size, 4), np.uint8)
        wide[:, 4 - size :] = np.frombuffer(body, np.uint8).reshape(-1, size)
        return wide.view("<i4")[:, 0] / 2.0**31
    raise FileProblem(f"WAV coding {coding} with {bits} bits is not PCM or float; convert it")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2  # chunks begin at even offsets
