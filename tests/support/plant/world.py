"""One run of the plant: stations, extract workers, and every home decided in two ways."""

from schemas.feature_record import Origin
from support.plant.broker import Broker
from support.plant.clockwork import Clockwork
from support.plant.group import Group
from support.plant.history import History, Interrupted, Uninterrupted
from support.plant.scenario import SECOND, START, Scenario
from support.plant.stations import Sent, send_all

PATIENCE = 200 * SECOND
"""How much longer than window and grace the run goes on after the last observation."""


class World:
    """Runs a scenario.

    Attributes:
        sent: all observations in the order of appending.
        homes: the home partitions, decided without interruption.
        interrupted: the same logs decided by workers that crash.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clockwork = Clockwork(START)
        self.broker = Broker(scenario)
        self.sent: list[Sent] = send_all(scenario, self.broker)
        self.by_origin = {Origin(*each.tp, each.offset): each for each in self.sent}
        self.group = Group(scenario, self.clockwork, self.broker, self.by_origin)
        self.homes = [Uninterrupted(scenario, log) for log in self.broker.homes]
        self.interrupted: list[History] = []

    def run(self) -> None:
        last = max([START + self.scenario.lasts, *(each.appended_at for each in self.sent)])
        for end in range(last, last + 3 * self.scenario.stay + PATIENCE, 5 * SECOND):
            self.clockwork.run(end)
            for home in self.homes:
                home.catch_up()
            if self.group.settled and not any(h.step.join.open_passages for h in self.homes):
                break
        for number, log in enumerate(self.broker.homes):
            rng = self.scenario.random(f"decide {number}")
            self.interrupted.append(Interrupted(self.scenario, log, rng).run())
