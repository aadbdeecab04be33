"""The feature extractor of one modality: its circuit, its residual, its controls."""

from math import pi

import pytest
import torch
from support.circuits import assert_equal, expectations

from agents.distiller.attention import Variant
from agents.distiller.extractor import QuantumFeatureExtractor


def extractor(
    variant: Variant = "hybrid", layers: int = 2, qubits: int = 4
) -> QuantumFeatureExtractor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return QuantumFeatureExtractor(6, qubits, layers, variant).double()


def features(rows: int = 5) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("variant", ["hybrid", "no-entanglement"])
def test_adds_what_the_circuit_reads(variant: Variant, layers: int) -> None:
    module, h = extractor(variant, layers), features()
    q = pi * torch.tanh(h @ module.w_q)
    z = expectations(q, torch.zeros_like(q), module.w, entangle=variant == "hybrid")
    assert_equal(module(h), h + z @ module.u.weight.T)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("variant", ["hybrid", "no-entanglement", "classical-twin"])
def test_variants_learn_with_the_same_parameters(variant: Variant, layers: int) -> None:
    module, h = extractor(variant, layers), features().requires_grad_()
    hybrid = extractor("hybrid", layers)
    shapes = {name: p.shape for name, p in module.named_parameters()}
    assert shapes == {name: p.shape for name, p in hybrid.named_parameters()}
    module(h).square().sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    assert (module(h) - h).abs().max() > 1e-3


def test_rows_are_independent() -> None:
    module, h = extractor(), features()
    assert_equal(module(h)[2:3], module(h[2:3]))
    assert module(h[:0]).shape == (0, 6)


def test_inference_gives_what_training_does() -> None:
    module, h = extractor(), features()
    trained = module(h)
    with torch.no_grad():
        assert_equal(module(h), trained)


@pytest.mark.parametrize("variant", ["concatenation", "dot-product", "quantum"])
def test_variants_without_a_circuit_are_refused(variant: Variant) -> None:
    with pytest.raises(ValueError, match=f"{variant} has no circuit; take one of hybrid"):
        QuantumFeatureExtractor(6, variant=variant)
