"""The hybrid cross-modal distiller (house plan, section 7). Read it in this order:

`circuits` the circuit, in PennyLane, as the reference; `closed_form` the same numbers without a
state vector; `attention` cross-attention through it, and its two classical controls; `encoders`
features to R^D; `heads` what the logits mean; `model` the whole network; `dataset` and `training`
how the weights came about; `calibration` what makes its probabilities honest; `distiller` the
front that the stream worker uses; `evaluation` what each modality and each variant is worth.

Nothing here but `circuits` imports PennyLane, which takes seconds to import.
"""
