"""What works on recorded topics, or on topics as on a recording.

- `recording/`: the container; `record.py` fills it from a cluster, `inspection/` says what is in
  it.
- `replay.py`: a recording into a cluster; `player.py` has its pace and keys, `faults.py` its
  drills, `contents.py` what a record says of its unit and time.
- `offline.py`: a recording decided without a broker; `recorded_line.py` reads the line in it,
  `extracting.py` makes or reads its features, `output.py` writes what leaves it.
- `training.py`: units to train on, out of a recording.
- `diff/`: two sets of decisions; `audit/`: what was sent against what became of it; `pairing.py`:
  how both match.
"""
