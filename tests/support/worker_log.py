"""Reads in the logs of workers what they work on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stream.kafka.topics import TopicReport, Topics

# What agents.extract.agent and agents.decide.agent log.
_INPUTS = re.compile(r"Generation (\d+): input partitions (.+)")
_HOMES = re.compile(r"Generation (\d+): home partitions \[(.*)\], of which \[(.*)\] are new here")
_GOES_ON = re.compile(r"Home partition (\d+) goes on at offset")


@dataclass(slots=True)
class Work:
    """What a worker's log says it works on."""

    extract_generation: int | None = None
    """None: the stage does not run here, or has no assignment yet."""
    inputs: frozenset[str] = frozenset()
    """Input partitions that it reads, such as `units.text[0]`."""
    decide_generation: int | None = None
    homes: frozenset[int] = frozenset()
    """Home partitions that were assigned to it."""
    waiting: frozenset[int] = frozenset()
    """Those of them that have not gone on yet."""

    @classmethod
    def read(cls, log: str) -> "Work":
        """Returns what the last lines about partitions say."""
        work = cls()
        for line in log.splitlines():
            if found := _INPUTS.search(line):
                work.extract_generation = int(found[1])
                names = frozenset(name.strip() for name in found[2].split(","))
                work.inputs = names - {"none"}
            elif found := _HOMES.search(line):
                work.decide_generation = int(found[1])
                work.homes, new = _numbers(found[2]), _numbers(found[3])
                work.waiting = work.waiting & work.homes | new
            elif found := _GOES_ON.search(line):
                work.waiting -= {int(found[1])}
        return work


def all_read(extract: Sequence[Work], wanted: frozenset[str]) -> bool:
    """Whether workers share the input partitions `wanted`, all in one generation."""
    generations = {work.extract_generation for work in extract}
    read = sorted(name for work in extract for name in work.inputs)
    return len(generations) == 1 and None not in generations and read == sorted(wanted)


def all_gone_on(decide: Sequence[Work], homes: int) -> bool:
    """Whether workers share all home partitions in one generation, and all have gone on."""
    generations = {work.decide_generation for work in decide}
    held = sorted(home for work in decide for home in work.homes)
    return (
        len(generations) == 1
        and None not in generations
        and held == list(range(homes))
        and not any(work.waiting for work in decide)
    )


def input_partitions(topics: Topics, report: TopicReport) -> frozenset[str]:
    """Returns the input partitions of a line, such as `units.text[0]`."""
    return frozenset(
        f"{state.name}[{number}]"
        for state in report.topics
        if state.name in topics.observations
        for number in range(state.partitions or 0)
    )


def _numbers(text: str) -> frozenset[int]:
    return frozenset(int(number) for number in text.split(",") if number.strip())
