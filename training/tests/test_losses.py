"""The masked losses: a class that a corpus does not know takes part in nothing."""

import torch

from training.text.losses import (
    distillation,
    masked_cross_entropy,
    masked_log_softmax,
    symmetric_kl,
)

ALLOWED = torch.tensor([[True, True, False], [True, True, True]])


def test_masked_classes_have_no_probability_and_the_rest_sums_to_one() -> None:
    p = masked_log_softmax(
        torch.tensor([[1.0, 2.0, 9.0], [1.0, 2.0, 9.0]]), ALLOWED
    ).exp()
    assert torch.allclose(p.sum(-1), torch.ones(2))
    assert p[0, 2] < 1e-6
    assert torch.allclose(p[0, :2], torch.softmax(torch.tensor([1.0, 2.0]), -1))


def test_a_masked_class_gets_no_gradient() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    target = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    masked_cross_entropy(logits, target, ALLOWED, smoothing=0.1).sum().backward()
    assert logits.grad[0, 2] == 0
    assert logits.grad[1, 2] != 0


def test_without_a_mask_it_is_cross_entropy() -> None:
    logits, target = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    everything = torch.ones(4, 3, dtype=torch.bool)
    ours = masked_cross_entropy(logits, torch.eye(3)[target], everything, 0.1)
    theirs = torch.nn.functional.cross_entropy(
        logits, target, label_smoothing=0.1, reduction="none"
    )
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_focal_loss_is_smaller_where_the_model_is_sure() -> None:
    target, everything = torch.eye(2)[:1], torch.ones(1, 2, dtype=torch.bool)
    sure, unsure = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.1, 0.0]])

    def ratio(logits: torch.Tensor) -> torch.Tensor:
        return masked_cross_entropy(
            logits, target, everything, focal=2
        ) / masked_cross_entropy(logits, target, everything)

    assert ratio(sure) < 0.01 < ratio(unsure)


def test_divergences_are_zero_between_equals_and_positive_otherwise() -> None:
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.allclose(distillation(a, a, 2.0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(symmetric_kl(a, a, ALLOWED), torch.zeros(2), atol=1e-6)
    assert (distillation(a, b, 2.0) > 0).all()
    assert (symmetric_kl(a, b, ALLOWED) > 0).all()


def test_masking_spares_special_tokens_and_marks_what_to_predict() -> None:
    from training.text.mlm import MASK, mask_tokens

    ids = torch.randint(5, 100, (64, 50))
    ids[:, 0], ids[:, -1] = 2, 0
    corrupted, chosen = mask_tokens(ids, 100, torch.Generator().manual_seed(0))
    assert not chosen[:, 0].any() and not chosen[:, -1].any()
    assert torch.equal(corrupted[~chosen], ids[~chosen])
    assert 0.12 < chosen[:, 1:-1].float().mean() < 0.18
    assert 0.7 < (corrupted[chosen] == MASK).float().mean() < 0.9
