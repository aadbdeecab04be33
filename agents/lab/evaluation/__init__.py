"""What the distiller is worth: `regrade evaluate` measures it and writes one report.

`config` how much is spent; `pool` the simulated units that all parts share; one module a part:
`variants` the circuit against its controls, `distilling` what unlabelled records are worth,
`unseen` device models never met, `cascade` the shipped weights tier by tier, `noise` the circuit on
imperfect devices, `real` data measured by others. `sections` what a part hands over; `report` puts
them together. Every part trains all that it compares under the same budget, and says with what
command it can be repeated.
"""
