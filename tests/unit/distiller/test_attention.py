"""Cross-attention: shapes, masks, slots, and controls of equal size."""

import pytest
import torch

from agents.distiller.attention import VARIANTS, QuantumCrossAttention, Variant

B, M, D, N = 5, 6, 32, 8


def layer(variant: Variant = "hybrid") -> QuantumCrossAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return QuantumCrossAttention(M, D, N, variant).double()


def encodings() -> torch.Tensor:
    return torch.randn(B, M, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_and_range(variant: Variant) -> None:
    h, z = layer(variant)(encodings(), torch.ones(B, M, dtype=torch.bool))
    assert h.shape == (B, M, D)
    assert z.shape == (B, M * (M - 1), N)
    assert z.abs().max() <= 1 + 1e-12


def test_controls_have_as_many_parameters_as_the_hybrid() -> None:
    sizes = {sum(p.numel() for p in layer(variant).parameters()) for variant in VARIANTS}
    assert len(sizes) == 1


def test_variants_differ() -> None:
    mask = torch.ones(B, M, dtype=torch.bool)
    outs = [layer(variant)(encodings(), mask)[0] for variant in VARIANTS]
    assert not torch.allclose(outs[0], outs[1])
    assert not torch.allclose(outs[0], outs[2])


def test_pairs_that_did_not_arrive_are_zero() -> None:
    mask = torch.zeros(B, M, dtype=torch.bool)
    mask[:, [1, 4]] = True
    h = torch.where(mask.unsqueeze(-1), encodings(), 0)
    out, z = layer()(h, mask)
    pairs = [(s, t) for s in range(M) for t in range(M) if s != t]
    alive = {pair for pair, row in zip(pairs, z.abs().sum((0, 2)).tolist(), strict=True) if row}
    assert alive == {(1, 4), (4, 1)}
    assert not out[~mask].any()


def test_one_modality_alone_is_only_its_residual() -> None:
    mask = torch.zeros(B, M, dtype=torch.bool)
    mask[:, 3] = True
    h = torch.where(mask.unsqueeze(-1), encodings(), 0)
    out, z = layer()(h, mask)
    torch.testing.assert_close(out, h)
    assert not z.any()


def test_equal_weights_pass_the_value_through() -> None:
    """With tau = 0 every a_i is 1/n, so out is the mean of the targets' values."""
    attention = layer()
    with torch.no_grad():
        attention.tau.zero_()
    h = encodings()
    out, _ = attention(h, torch.ones(B, M, dtype=torch.bool))
    v = torch.einsum("bmd,mde->bme", h, attention.w_v)
    torch.testing.assert_close(out[:, 2], h[:, 2] + v[:, [0, 1, 3, 4, 5]].mean(1))


def test_every_parameter_but_the_last_rz_learns() -> None:
    attention = layer()
    out, z = attention(encodings(), torch.ones(B, M, dtype=torch.bool))
    torch.autograd.backward(out.square().sum() + z.sum())
    for name, parameter in attention.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    assert attention.w.grad is not None
    assert not attention.w.grad[:, 1, :, 1].any()


def test_a_dim_that_has_no_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="slots"):
        QuantumCrossAttention(M, 30, N)
