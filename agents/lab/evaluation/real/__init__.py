"""The evaluation on measured data that other packages ship.

`data` what there is; `single` the distiller's encoders against the standard baselines of
`baselines`; `multiview` the distiller in small, for any number of views; `variants` the circuit
against its controls; `distilling` what unlabelled paired records are worth; `evaluate` all of it.
"""

from agents.lab.evaluation.real.evaluate import evaluate_real

__all__ = ["evaluate_real"]
