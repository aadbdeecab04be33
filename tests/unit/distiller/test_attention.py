"""Cross-attention: shapes, masks, slots, and controls of which three are of equal size."""

from math import pi

import pytest
import torch
from support.networks import encodings, masks, network, numbers, only
from torch import nn

from agents.distiller.attention import VARIANTS, QuantumCrossAttention, Variant, attention
from agents.distiller.readouts import READOUTS, polynomial
from schemas.decision import Tier

B, M, D, N = 5, 6, 32, 8
PAIRS = [(s, t) for s in range(M) for t in range(M) if s != t]
EVERYTHING = torch.ones(B, M, dtype=torch.bool)


def layer(variant: Variant = "hybrid") -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return attention(M, D, N, 2, variant).double()


def quantum(variant: Variant = "hybrid") -> QuantumCrossAttention:
    found = layer(variant)
    assert isinstance(found, QuantumCrossAttention)
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_and_range(variant: Variant) -> None:
    h, z = layer(variant)(encodings(B, D), EVERYTHING)
    assert h.shape == (B, M, D)
    assert z.shape == (B, M * (M - 1), N if variant in READOUTS else 0)
    assert (z.abs() <= 1 + 1e-12).all()


def test_controls_with_a_readout_have_as_many_parameters_as_the_hybrid() -> None:
    def size(whole: nn.Module) -> int:
        return sum(p.numel() for p in whole.parameters())

    assert len({size(layer(variant)) for variant in VARIANTS if variant in READOUTS}) == 1
    assert len({size(network(variant=variant)) for variant in VARIANTS if variant in READOUTS}) == 1


def test_variants_differ() -> None:
    outs = [layer(variant)(encodings(B, D), EVERYTHING)[0] for variant in VARIANTS]
    for i, one in enumerate(outs):
        assert not any(torch.allclose(one, other) for other in outs[:i])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_of_each_variant_fuses_and_learns(variant: Variant) -> None:
    model = network(variant=variant, top=Tier.SMALL).requires_grad_(True)
    logits = model.fuse(encodings(7), masks(7))
    assert logits.isfinite().all()
    torch.autograd.backward(logits.square().sum())
    for name, parameter in model.circuits.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_pairs_that_did_not_arrive_are_zero() -> None:
    mask = only(B, 1, 4)
    h = torch.where(mask.unsqueeze(-1), encodings(B, D), 0)
    out, z = layer()(h, mask)
    alive = {pair for pair, row in zip(PAIRS, z.abs().sum((0, 2)).tolist(), strict=True) if row}
    assert alive == {(1, 4), (4, 1)}
    assert not out[~mask].any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_modality_alone_is_only_its_residual(variant: Variant) -> None:
    mask = only(B, 3)
    h = torch.where(mask.unsqueeze(-1), encodings(B, D), 0)
    out, z = layer(variant)(h, mask)
    torch.testing.assert_close(out, h)
    assert not z.any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_did_not_arrive_is_not_attended_to(variant: Variant) -> None:
    """A source's result is that of a batch in which only its targets exist."""
    whole = encodings(B, D)
    mask = masks(B)
    attend = layer(variant)
    out, _ = attend(torch.where(mask.unsqueeze(-1), whole, 0), mask)
    for row in range(B):
        alone, _ = attend(
            torch.where(mask[row].unsqueeze(-1), whole[row], 0).unsqueeze(0), mask[row : row + 1]
        )
        torch.testing.assert_close(out[row], alone[0])
    assert not out[~mask].any()


def test_dot_product_is_softmax_over_what_arrived() -> None:
    attend = layer("dot-product")
    w = dict(attend.named_parameters())
    mask = only(B, 0, 2, 5)
    h = torch.where(mask.unsqueeze(-1), encodings(B, D), 0)
    out, _ = attend(h, mask)
    q = h[:, 2] @ w["w_q"][2]
    score = torch.stack([(q * (h[:, t] @ w["w_k"][t])).sum(1) for t in (0, 5)], dim=1) / N**0.5
    a = torch.softmax(score, dim=1)
    v = [h[:, t] @ w["w_v"][t] for t in (0, 5)]
    torch.testing.assert_close(out[:, 2], h[:, 2] + a[:, :1] * v[0] + a[:, 1:] * v[1])


def test_equal_weights_pass_the_value_through() -> None:
    """With tau = 0 every a_i is 1/n, so out is the mean of the targets' values."""
    attend = quantum()
    with torch.no_grad():
        attend.tau.zero_()
    h = encodings(B, D)
    out, _ = attend(h, EVERYTHING)
    v = torch.einsum("bmd,mde->bme", h, attend.w_v)
    torch.testing.assert_close(out[:, 2], h[:, 2] + v[:, [0, 1, 3, 4, 5]].mean(1))


def test_the_query_is_the_sources_and_the_key_the_targets() -> None:
    attend, h = quantum(), encodings(B, D)
    q, k = attend.angles(h)
    for number, (s, t) in enumerate(PAIRS):
        torch.testing.assert_close(q[:, number], pi * torch.tanh(h[:, s] @ attend.w_q[s]))
        torch.testing.assert_close(k[:, number], pi * torch.tanh(h[:, t] @ attend.w_k[t]))


def test_every_parameter_but_the_last_rz_learns() -> None:
    attend = quantum()
    out, z = attend(encodings(B, D), EVERYTHING)
    torch.autograd.backward(out.square().sum() + z.sum())
    for name, parameter in attend.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    assert attend.w.grad is not None
    assert not attend.w.grad[:, 1, :, 1].any()


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_classical_twin_by_hand(layers: int) -> None:
    """Two weights a layer and slot, each of one monomial of the angles as fractions of pi."""
    q, k, w = numbers(3, seed=1), numbers(3, seed=2), numbers(layers, 3, 2)
    x, y = q / pi, k / pi
    monomials = [x, y, x * y, torch.ones(3).double(), x * x, y * y, x * x * y, x * y * y]
    weights = w.reshape(2 * layers, 3)
    total = (weights * torch.stack(monomials[: 2 * layers])).sum(0)
    torch.testing.assert_close(polynomial(q, k, w), torch.tanh(total))


def test_what_has_no_slots_or_no_circuit_is_refused() -> None:
    with pytest.raises(ValueError, match="slots"):
        QuantumCrossAttention(M, 30, N)
    with pytest.raises(ValueError, match="at least 2"):
        QuantumCrossAttention(1, D, N)
    with pytest.raises(ValueError, match="dot-product has no circuit"):
        QuantumCrossAttention(M, D, N, "dot-product")
