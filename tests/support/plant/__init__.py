"""A model of the plant: stations, a broker's logs and workers of both stages under virtual time.

The steps, the marks, the watermark, the join and the frontier are the real ones; what is modelled
is all that happens to them. Everything random comes from the seed.

    PYTHONPATH=tests:. python -m support.plant --seeds 2000
"""

from support.plant.judge import Verdict, judge
from support.plant.scenario import Scenario
from support.plant.world import World

__all__ = ["Scenario", "Verdict", "World", "judge", "play"]


def play(seed: int) -> Verdict:
    """Runs the plant of one seed and judges what came of it."""
    world = World(Scenario.draw(seed))
    world.run()
    return judge(world)
