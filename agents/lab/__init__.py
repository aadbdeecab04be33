"""How the model is made and judged; nothing that runs a line imports it.

`simulator` makes units, `training` the weights, `noise` runs the circuits on imperfect devices,
`evaluation` measures what the distiller is worth, `circuit_benchmark` how fast the circuits are.
"""
