"""python -m support.plant --seeds 2000 [--first N] [--seed N --verbose]"""

import argparse
import sys
import time
from collections import Counter

from support.plant import Scenario, World, judge, play
from support.plant.story import tell


def main() -> int:
    parser = argparse.ArgumentParser(prog="support.plant", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--verbose", action="store_true", help="tell what happened")
    args = parser.parse_args()
    if args.seed is not None and args.verbose:
        world = World(Scenario.draw(args.seed))
        world.run()
        tell(world)
        verdict = judge(world)
        print(*verdict.faults, sep="\n")
        return bool(verdict.faults)
    seeds = range(args.first, args.first + args.seeds) if args.seed is None else [args.seed]
    began = time.process_time()
    failed, kinds, totals = 0, Counter[str](), Counter[str]()
    for seed in seeds:
        verdict = play(seed)
        totals.update(
            observations=verdict.observations,
            decisions=verdict.decisions,
            late=verdict.late,
            entitled=verdict.entitled,
        )
        if verdict.faults:
            failed += 1
            kinds.update({each.split(":")[0].split()[-1] for each in verdict.faults})
            some = "; ".join(verdict.faults[:3])
            print(f"seed {seed}: {len(verdict.faults)} faults: {some}", flush=True)
    spent = time.process_time() - began
    figures = ", ".join(f"{count} {name}" for name, count in totals.items())
    print(f"{len(seeds)} seeds in {spent:.0f} s of CPU: {failed} failed {dict(kinds)}; {figures}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
