"""Multiply-adds of a decision: what the tiers and the teacher cost, independent of the machine.

Matrix products and convolutions are counted by torch's own counter as they run; the circuits,
which are not made of these, by their exact form.
"""

from collections.abc import Collection

import torch
from torch.utils.flop_counter import FlopCounterMode

from agents.distiller.attention import QuantumCrossAttention
from agents.distiller.circuits.bonds import bonds
from agents.distiller.model import HybridCrossModalDistiller
from agents.distiller.tiers import FinalCircuit, TripleCircuits
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

TRIGONOMETRY = 10
"""Multiply-adds that one sine or cosine is taken for (a polynomial of that degree)."""


def multiply_adds(
    model: HybridCrossModalDistiller, arrived: Collection[Modality], tier: Tier | None = None
) -> int:
    """Of one unit with these modalities through one tier (None: the highest), encoders included.

    Every pair and triple counts, arrived or not: the network computes them all.
    """
    return encoding_cost(model, arrived) + fusion_cost(model, tier or model.config.top)


def encoding_cost(model: HybridCrossModalDistiller, arrived: Collection[Modality]) -> int:
    """Of the encoders of these modalities."""
    config = model.config
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for modality in arrived:
            shape = config.shapes[modality]
            model.encode(modality, torch.zeros(1, *shape, dtype=model.temperature.dtype))
    # The counter counts both halves of a multiply-add.
    return int(counter.get_total_flops()) // 2


def fusion_cost(model: HybridCrossModalDistiller, tier: Tier) -> int:
    """Of one tier, from encodings to logits."""
    m = len(MODALITIES)
    h = torch.zeros(1, m, model.config.dim, dtype=model.temperature.dtype)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.fuse(h, torch.ones(1, m, dtype=torch.bool), tier)
    circuits = 0
    for name, circuit in model.circuits.items():
        ran = list(Tier).index(Tier(name)) <= list(Tier).index(tier) != 0
        if (
            ran
            and model.config.variant != "classical-twin"
            and isinstance(circuit, QuantumCrossAttention | TripleCircuits | FinalCircuit)
        ):
            count, layers, qubits, _ = circuit.w.shape
            circuits += count * circuit_cost(qubits, layers)
    return int(counter.get_total_flops()) // 2 + circuits


def circuit_cost(qubits: int, layers: int) -> int:
    """Of one circuit in its exact form, for the angles of one unit; the weights are frozen.

    Two layers: 35 products a qubit in the closed form, and four sines and cosines. Otherwise the
    contraction: two products for each term of its three steps.
    """
    if layers == 2:
        return qubits * (35 + 4 * TRIGONOMETRY)
    structure = bonds(layers)
    steps = (structure.rightwards, structure.leftwards, structure.measured)
    terms = sum(len(step.source) for step in steps)
    return qubits * (2 * terms + 4 * TRIGONOMETRY)
