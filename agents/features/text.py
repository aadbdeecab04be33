"""Features of a note: hashed words, word pairs and letter groups.

Words say what was found, pairs whether it was denied ("no issue"), letter groups survive typos
and abbreviations. CRC-32 is the hash: the same in every process, version and language.
"""

import itertools
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Text

BUCKETS = 512
"""For words and word pairs, and again for letter groups."""
SHAPE = (2 * BUCKETS,)
GROUPS = (3, 4)
"""Lengths of the letter groups."""
LENGTH = 8.0
"""Euclidean length of each half: some dozens of its 512 entries are set, each then near 1."""

_TOKEN = re.compile(r"\w+|[<>+&?]")


def _letter_groups(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        padded = f" {word} "
        for size in GROUPS:
            for at in range(len(padded) - size + 1):
                yield padded[at : at + size]


def _hashed(grams: Iterable[str]) -> NDArray[np.float64]:
    """Signed counts, damped and of length 1 (or 0 where there is no gram), shape (BUCKETS,)."""
    vector = np.zeros(BUCKETS)
    for gram, count in Counter(grams).items():
        code = zlib.crc32(gram.encode("utf-8", "surrogatepass"))
        # The sign makes collisions cancel on average instead of adding up.
        vector[code % BUCKETS] += np.log1p(count) * (1 if code >> 31 else -1)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def extract(payload: Text) -> NDArray[np.float64]:
    """Shape (1024,): words and pairs, then letter groups, each of Euclidean length `LENGTH`."""
    words = _TOKEN.findall(unicodedata.normalize("NFKC", payload.text).lower())
    pairs = (f"{left} {right}" for left, right in itertools.pairwise(words))
    return LENGTH * np.concatenate([_hashed([*words, *pairs]), _hashed(_letter_groups(words))])
