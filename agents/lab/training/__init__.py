"""How the weights come about.

`dataset`, `dropout`, `fitting` and `checkpoint` are what every training shares; `distillation`
teacher to student; `calibration` what makes probabilities honest; `metrics` how good it is; `cost`
multiply-adds; `training` the whole, with its `card`.
"""
