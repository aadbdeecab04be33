"""A line under load for the chaos tests: sent on time or all at once, audited from the topics."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from agents.lab.simulator import LinePlan, LineTiming, ScheduledObservation
from stream.clients.station import Station
from stream.replay.audit import AuditReport, ObservationKey, Produced, ProducedPassage, audit
from stream.settings import Settings

IN_FLIGHT = 200


@dataclass
class Load:
    """A planned line and what of it has been sent.

    Attributes:
        units: one passage each.
        rate: units that enter the line per second.
    """

    units: int
    rate: float
    seed: int = 11
    sent: int = 0

    @cached_property
    def plan(self) -> LinePlan:
        """Begins when it is first asked for: a line that is behind time when it starts is late."""
        start_ms = time.time_ns() // 1_000_000
        timing = LineTiming(dropout=0.15, span_s=3.0, max_delay_s=0.8, duplicates=0.02)
        return LinePlan(self.units, self.seed, start_ms, self.rate, timing=timing)

    @property
    def produced(self) -> Produced:
        return Produced(
            tuple(
                ProducedPassage(
                    passage.unit.unit_id,
                    frozenset(
                        ObservationKey(passage.unit.unit_id, o.modality, o.observation_id)
                        for o in passage.observations
                    ),
                    passage.left_out,
                )
                for passage in self.plan.passages()
            )
        )

    async def send(self, lines: Iterable[Settings], *, on_time: bool = True) -> None:
        """Send the plan to each of these lines; all at once where not `on_time`."""
        stations = [
            Station(source="load", settings=settings, buffer=IN_FLIGHT) for settings in lines
        ]
        for station in stations:
            await station.start()
        sending: set[asyncio.Task[object]] = set()
        try:
            for scheduled in self.plan.schedule():
                await self._wait_for(scheduled, on_time)
                for station in stations:
                    sending.add(asyncio.create_task(station.send(scheduled.observation)))
                self.sent += 1
                if len(sending) >= IN_FLIGHT:
                    done, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            await asyncio.gather(*sending)
        finally:
            for station in stations:
                await station.close()

    async def _wait_for(self, scheduled: ScheduledObservation, on_time: bool) -> None:
        ahead = scheduled.send_at_ms / 1000 - time.time()
        await asyncio.sleep(ahead if on_time and ahead > 0 else 0)

    async def audited(self, settings: Settings, within: float) -> AuditReport:
        """The audit as soon as every passage is decided, at the latest after so many seconds.

        A while later it is read again: a decision too many would come after the right one.
        """
        deadline = time.monotonic() + within
        while (report := await audit(settings, self.produced)).passages < self.units:
            if time.monotonic() > deadline:
                return report
            await asyncio.sleep(1)
        await asyncio.sleep(settings.grace / 2)
        return await audit(settings, self.produced)
