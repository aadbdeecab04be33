"""When records are due, and what the keys do."""

import asyncio
import time
from collections.abc import Sequence

from stream.replay.player import Player

DUE = [1_000_000 + 100 * n for n in range(10)]


async def played(player: Player, due: Sequence[int] = DUE) -> list[float]:
    """Seconds until each was let pass."""
    began, passed = time.monotonic(), []
    for each in due:
        if not await player.wait(each):
            break
        passed.append(time.monotonic() - began)
    return passed


async def test_as_fast_as_it_goes() -> None:
    assert max(await played(Player(None))) < 0.1


async def test_at_a_rate() -> None:
    passed = await played(Player(3.0))
    assert all(0 <= at - n / 30 < 0.1 for n, at in enumerate(passed)), passed


async def test_paused_until_a_key() -> None:
    player = Player(None, paused=True)
    playing = asyncio.create_task(played(player))
    await asyncio.sleep(0.05)
    assert player.position == -1
    player.press("n")
    player.press("n")
    player.press("?")
    await asyncio.sleep(0.05)
    assert player.position == DUE[1]
    player.press(" ")
    assert len(await playing) == len(DUE)


async def test_a_pause_does_not_count() -> None:
    player = Player(1.0)
    playing = asyncio.create_task(played(player, DUE[:3]))
    await asyncio.sleep(0.05)
    player.press(" ")
    await asyncio.sleep(0.3)
    player.press(" ")
    passed = await playing
    assert 0.4 < passed[1] < 0.6
    assert 0.08 < passed[2] - passed[1] < 0.2


async def test_seeking_and_ending_interrupt_a_wait() -> None:
    for key, to in (("]", DUE[0] + 10_000), ("[", DUE[0] - 10_000)):
        player = Player(0.001)
        playing = asyncio.create_task(played(player))
        await asyncio.sleep(0.05)
        player.press(key)
        assert (len(await playing), player.seek_to) == (1, to)
        player.restart()
        assert await player.wait(to)
    player.press("q")
    assert player.ended
    assert not await player.wait(DUE[-1])


async def test_the_rate_is_changed_on_the_way() -> None:
    player = Player(0.01)
    playing = asyncio.create_task(played(player))
    await asyncio.sleep(0.05)
    for _ in range(10):
        player.press("+")
    assert player.rate == 10.24
    assert (await playing)[-1] < 0.3
    player.press("-")
    assert player.rate == 5.12
