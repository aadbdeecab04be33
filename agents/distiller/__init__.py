"""The hybrid cross-modal distiller (`agents/README.md`). Read it in this order:

The network: `circuits` the circuit, in PennyLane as the reference and in exact forms without a
state vector; `readouts` these and their classical twin; `attention` cross-attention of pairs and
its controls; `tiers` circuits over three and over all; `encoders` features to R^D, `extractor` an
option behind them; `heads` what the logits mean; `model` all of it; `files` the weights.

How it is used: `distiller` features to predictions by one tier; `hierarchy` which tier, by
`thresholds`; `prediction` what comes out. How it is made and judged is in `agents.lab`.

Only `circuits.reference` and `circuits.devices` import PennyLane, which takes seconds.
Only `circuits.reference` and `circuits.devices` import PennyLane, which takes seconds.
"""
