"""Features of a note: hashed words, word pairs and letter groups.

Words say what was found, pairs whether it was denied ("no issue"), letter groups survive typos
and abbreviations. CRC-32 is the hash: the same in every process, version and language.
"""

import re
import unicodedata
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.extract.ragged import end_to_end
from agents.machine_code import compiled
from schemas.observation import Text

VERSION = 1

_TOKEN = re.compile(r"\w+|[<>+&?]")
_CRC = np.array([zlib.crc32(bytes([b]), 0xFFFFFFFF) ^ 0xFFFFFFFF for b in range(256)], np.int64)

_SPACE = ord(" ")

Letters = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of a note are."""

    buckets: int = 512
    """For words and word pairs, and again for letter groups."""
    shortest_group: int = 3
    longest_group: int = 4
    """Letters of the letter groups."""
    length: float = 8.0
    """Euclidean length of each half: some dozens of its 512 entries are set, each then near 1."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Words and pairs, then letter groups."""
        return (2 * self.buckets,)


SETTINGS = Settings()


def prepare(payload: Text, settings: Settings) -> Letters:
    """The words in UTF-8, a space before, between and behind them; without any word empty."""
    words = _TOKEN.findall(unicodedata.normalize("NFKC", payload.text).lower())
    return np.frombuffer(f" {' '.join(words)} ".encode() if words else b"", np.uint8)


def batch(notes: list[Letters], settings: Settings) -> NDArray[np.float32]:
    """Shape (N, 2 * buckets); each half has Euclidean length `length`, or is 0 without a gram."""
    letters, ends = end_to_end(notes, np.uint8)
    halves = np.zeros((len(notes), 2, settings.buckets))
    _hash(letters, ends, settings.shortest_group, settings.longest_group, halves)
    return (settings.length * halves).reshape(len(notes), -1).astype(np.float32)


@compiled
def _hash(
    letters: Letters,
    ends: NDArray[np.int64],
    shortest: int,
    longest: int,
    halves: NDArray[np.float64],
) -> None:
    for n in range(len(halves)):
        note = letters[ends[n] : ends[n + 1]]
        _add(note, _words_and_pairs(note), halves[n, 0])
        _add(note, _letter_groups(note, shortest, longest), halves[n, 1])


@compiled
def _words_and_pairs(note: Letters) -> NDArray[np.int64]:
    """Where each gram begins and ends in `note`, shape (grams, 2)."""
    spaces = np.flatnonzero(note == _SPACE)
    words = max(len(spaces) - 1, 0)
    grams = np.empty((max(2 * words - 1, 0), 2), np.int64)
    for i in range(words):
        grams[i] = spaces[i] + 1, spaces[i + 1]
    for i in range(words - 1):
        grams[words + i] = spaces[i] + 1, spaces[i + 2]
    return grams


@compiled
def _letter_groups(note: Letters, shortest: int, longest: int) -> NDArray[np.int64]:
    """As `_words_and_pairs`; the spaces before and behind a word belong to its letters."""
    # A character of UTF-8 begins with any byte but 10xxxxxx.
    begins = np.append(np.flatnonzero((note & 0xC0) != 0x80), len(note))
    grams = np.empty(((longest - shortest + 1) * len(note), 2), np.int64)
    count, first = 0, 0
    for last in range(1, len(begins) - 1):
        if note[begins[last]] == _SPACE:
            for size in range(shortest, longest + 1):
                for at in range(first, last - size + 2):
                    grams[count] = begins[at], begins[at + size]
                    count += 1
            first = last
    return grams[:count]


@compiled
def _add(note: Letters, grams: NDArray[np.int64], buckets: NDArray[np.float64]) -> None:
    """Adds signed counts of the different grams, damped, and scales them to length 1."""
    # A hash table with open addressing: slot -> the first such gram.
    size = 16
    while size < 2 * len(grams):
        size *= 2
    table = np.full(size, -1, np.int64)
    codes, counts = np.empty(len(grams), np.int64), np.zeros(len(grams), np.int64)
    for gram in range(len(grams)):
        begin, end = grams[gram]
        code = 0xFFFFFFFF
        for byte in note[begin:end]:
            code = _CRC[(code ^ byte) & 0xFF] ^ (code >> 8)
        codes[gram] = code ^ 0xFFFFFFFF
        slot = codes[gram] % size
        while table[slot] >= 0 and not _same(note, codes, grams, gram, table[slot]):
            slot = (slot + 1) % size
        if table[slot] < 0:
            table[slot] = gram
        counts[table[slot]] += 1
    for gram in range(len(grams)):
        if counts[gram]:
            # The sign makes collisions cancel on average instead of adding up.
            sign = 1 if codes[gram] >> 31 else -1
            buckets[codes[gram] % len(buckets)] += sign * np.log1p(counts[gram])
    buckets /= max(np.sqrt((buckets * buckets).sum()), 1e-12)


@compiled
def _same(
    note: Letters, codes: NDArray[np.int64], grams: NDArray[np.int64], one: int, other: int
) -> bool:
    if codes[one] != codes[other]:
        return False
    a, b = note[grams[one, 0] : grams[one, 1]], note[grams[other, 0] : grams[other, 1]]
    return np.array_equal(a, b)
