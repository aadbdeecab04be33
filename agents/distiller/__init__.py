"""The hybrid cross-modal distiller (house plan, section 7). Read it in this order:

The network: `circuits` the circuit, in PennyLane as the reference and in exact forms without a
state vector; `readouts` these and their classical twin; `attention` cross-attention of pairs and
its controls; `tiers` circuits over three and over all; `encoders` features to R^D, `extractor` an
option behind them; `heads` what the logits mean; `model` all of it.

How the weights come about: `dataset`, `dropout`, `fitting` what every training shares;
`distillation` teacher to student; `calibration` what makes probabilities honest; `cost`
multiply-adds; `training` the whole, with its `card`.

How they are used: `distiller` features to predictions by one tier; `hierarchy` which tier, by
`thresholds`. `noise` runs the circuits on imperfect devices.

Only `circuits.reference`, `circuits.devices` and `noise` import PennyLane, which takes seconds.
"""
