"""Two topics compared while they grow: who is told of, and when."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from support.decisions import a_decision, evidence_of
from support.steps import T0, note

from agents.decide.policy import Policy
from schemas.decision import Decision, Option
from schemas.feature_record import Origin
from stream.errors import BrokerUnreachable
from stream.replay.diff import Comparison, Pair, Source
from stream.replay.diff.follow import Following

PATIENCE = 1.0


class Live(Source):
    """Decisions that a test gives."""

    def __init__(self) -> None:
        super().__init__("live")
        self.queue: asyncio.Queue[Decision | Exception] = asyncio.Queue()

    async def decisions(self) -> AsyncIterator[Decision]:
        while True:
            item = await self.queue.get()
            if isinstance(item, Exception):
                raise item
            yield item


def decision(unit: str, *names: str, revision: int = 1, option: str = "resell") -> Decision:
    seen = [evidence_of(note(unit, name), Origin("units.text", 0, 1)) for name in names]
    made = a_decision(unit, seen, opened_at=T0, revision=revision)
    routing = made.routing.model_copy(update={"option": Option(option)})
    return made.model_copy(update={"routing": routing})


class Watched:
    """A `Following` that runs; what it has told of, as unit and aspects."""

    def __init__(self) -> None:
        self.a, self.b = Live(), Live()
        self.told: list[tuple[str, set[str]]] = []
        self.comparison = Comparison(Policy.load())
        self.following = Following(self.comparison, (self.a, self.b), self._tell, PATIENCE)

    def _tell(self, unit_id: str, differing: Sequence[Pair]) -> None:
        self.told.append((unit_id, {name for pair in differing for name in pair.changes}))

    async def give(self, *made: Decision, to: Live) -> None:
        for each in made:
            to.queue.put_nowait(each)
        await asyncio.sleep(0.05)


async def test_who_differs_is_told_as_soon_as_both_have_decided() -> None:
    watched = Watched()
    running = asyncio.create_task(watched.following.run())
    await watched.give(decision("LT-1", "a"), decision("LT-2", "a"), to=watched.a)
    assert watched.told == []
    assert sorted(watched.following.awaited) == ["LT-1", "LT-2"]
    await watched.give(decision("LT-2", "a"), decision("LT-1", "a", option="recycle"), to=watched.b)
    assert watched.told == [("LT-1", {"option"})]
    assert not watched.following.awaited
    running.cancel()


async def test_a_side_that_is_behind_has_time_to_catch_up() -> None:
    watched = Watched()
    running = asyncio.create_task(watched.following.run())
    first, second = decision("LT-1", "a"), decision("LT-1", "a", "b", revision=2)
    await watched.give(first, second, decision("LT-2", "a"), to=watched.a)
    await watched.give(first, to=watched.b)
    assert watched.told == []
    report = watched.comparison.report(awaited=watched.following.awaited)
    assert (report.awaited, report.same) == (2, True)
    await watched.give(second, to=watched.b)
    assert list(watched.following.awaited) == ["LT-2"]
    await asyncio.sleep(PATIENCE + 1)
    assert watched.told == [("LT-2", {"presence"})]
    await watched.give(decision("LT-2", "a"), to=watched.b)
    assert watched.told == [("LT-2", {"presence"}), ("LT-2", set())]
    running.cancel()


async def test_it_ends_by_itself_and_with_what_fails() -> None:
    watched = Watched()
    await watched.following.run(seconds=0.1)
    watched.b.queue.put_nowait(BrokerUnreachable("gone"))
    with pytest.raises(BrokerUnreachable, match="gone"):
        await watched.following.run(seconds=5)
