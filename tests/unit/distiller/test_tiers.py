"""Circuits of three modalities and of all that arrived, each held to a circuit read by itself."""

from itertools import combinations
from math import comb, pi

import pytest
import torch
from support.networks import M, encodings, masks, network, only

from agents.distiller.readouts import READOUTS
from agents.distiller.tiers import FinalCircuit, TripleCircuits
from schemas.decision import Tier

B, D, N = 5, 8, 6
TRIPLES = list(combinations(range(M), 3))
EVERYTHING = torch.ones(B, M, dtype=torch.bool)
VARIANTS = sorted(READOUTS)


def triples(variant: str = "hybrid", modalities: int = M) -> TripleCircuits:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return TripleCircuits(modalities, D, N, variant, 2).double().requires_grad_(False)


def final(variant: str = "hybrid") -> FinalCircuit:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return FinalCircuit(M, D, N, variant, 2).double().requires_grad_(False)


def arrived(mask: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    return torch.where(mask.unsqueeze(-1), h, 0.0)


@pytest.mark.parametrize("modalities", [3, 4, 6])
def test_a_circuit_for_every_three(modalities: int) -> None:
    circuits = triples(modalities=modalities)
    mask = torch.ones(B, modalities, dtype=torch.bool)
    z = circuits(encodings(B)[:, :modalities], mask)
    assert z.shape == (B, circuits.outputs) == (B, comb(modalities, 3) * N)
    assert z.any(dim=0).all()
    assert z.abs().max() <= 1 + 1e-12


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_triple_is_one_circuit_of_three_blocks(variant: str) -> None:
    circuits, h = triples(variant), encodings(B)
    z = circuits(h, EVERYTHING).view(B, len(TRIPLES), N)
    for number, members in enumerate(TRIPLES):
        q, k = (
            torch.cat([pi * torch.tanh(h[:, m] @ w[m]) for m in members], dim=1)
            for w in (circuits.w_q, circuits.w_k)
        )
        torch.testing.assert_close(z[:, number], READOUTS[variant](q, k, circuits.w[number]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_incomplete_triples_are_zero_and_complete_ones_as_always(variant: str) -> None:
    circuits, h, mask = triples(variant), encodings(B), masks(B)
    mask[0], mask[1] = only(1, 0, 1), only(1, 0, 2, 5)
    whole = circuits(h, EVERYTHING).view(B, len(TRIPLES), N)
    z = circuits(arrived(mask, h), mask).view(B, len(TRIPLES), N)
    alive = 0
    for row in range(B):
        for number, members in enumerate(TRIPLES):
            if mask[row, list(members)].all():
                torch.testing.assert_close(z[row, number], whole[row, number])
                alive += 1
            else:
                assert not z[row, number].any()
    assert not z[0].any(), "two modalities have no triple"
    assert z[1].any(dim=1).sum() == 1
    assert 1 < alive < B * len(TRIPLES)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_final_circuit_is_one_circuit_of_sums(variant: str) -> None:
    circuit, h, mask = final(variant), encodings(B), masks(B)
    z = circuit(arrived(mask, h), mask)
    assert z.shape == (B, circuit.outputs) == (B, N)
    for row in range(B):
        there = mask[row].nonzero().flatten().tolist()
        q, k = (
            pi * torch.tanh(torch.stack([h[row, m] @ w[m] for m in there]).sum(0))
            for w in (circuit.w_q, circuit.w_k)
        )
        torch.testing.assert_close(z[row], READOUTS[variant](q, k, circuit.w[0]))


def test_weights_of_an_absent_modality_do_not_matter() -> None:
    mask, h = only(B, 0, 3, 4), encodings(B)
    for circuit in (triples(), final()):
        before = circuit(arrived(mask, h), mask)
        circuit.w_q[[1, 2, 5]] = 7.0
        circuit.w_k[[1, 2, 5]] = -7.0
        assert torch.equal(circuit(arrived(mask, h), mask), before)
        circuit.w_q[3] = 7.0
        assert not torch.allclose(circuit(arrived(mask, h), mask), before)


def test_qubits_that_are_no_three_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="8 qubits do not divide into three blocks"):
        TripleCircuits(M, D, 8, "hybrid", 2)
    with pytest.raises(ValueError, match="three blocks"):
        network(qubits={Tier.SMALL: 4, Tier.MEDIUM: 8, Tier.LARGE: 5})
