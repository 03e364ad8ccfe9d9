"""Trains one recipe: python -m training.text.train training/text/recipes/NAME.yaml

Writes into runs/NAME: recipe.yaml, tokenizer.json, log.jsonl, last.pt (to resume from) and best.pt.
Starting the same command again resumes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from training.text.build import build_model
from training.text.dataset import (
    Batch,
    Encoded,
    balance_classes,
    collate,
    epoch_batches,
    epoch_rows,
)
from training.text.losses import distillation, masked_cross_entropy, symmetric_kl
from training.text.metrics import masked_probabilities, report
from training.text.optim import Average, FastGradient, parameter_groups, schedule
from training.text.predict import predict
from training.text.prepare import RUNS, Prepared, prepare
from training.text.recipe import Recipe, read_recipe


def batch_loss(model: nn.Module, batch: Batch, recipe: Recipe) -> Tensor:
    """The recipe's loss of one batch: hard labels, teacher, finer categories, R-Drop."""
    out = model.forward_training(batch.ids, batch.mask)
    logits = out["logits"]
    loss = masked_cross_entropy(
        logits, batch.target, batch.allowed, recipe.smoothing, recipe.focal
    )
    if recipe.distil:
        kl = distillation(logits, batch.teacher, recipe.distil_temperature)
        # A row without a label has nothing but its teacher.
        unlabelled = batch.target.sum(-1) == 0
        share = (recipe.distil * batch.has_teacher).masked_fill(unlabelled, 1.0)
        loss = (1 - share) * loss + share * kl
    if recipe.fine and "fine" in out:
        log_p = torch.log_softmax(out["fine"].float(), dim=-1)
        loss = loss + recipe.fine * -(batch.fine * log_p).sum(-1)
    if recipe.rdrop:
        again = model.forward_training(batch.ids, batch.mask)["logits"]
        loss = loss + masked_cross_entropy(
            again, batch.target, batch.allowed, recipe.smoothing, recipe.focal
        )
        loss = 0.5 * loss + recipe.rdrop * symmetric_kl(logits, again, batch.allowed)
    return (loss * batch.weight).sum() / batch.weight.sum()


def evaluate_sets(
    model: nn.Module, sets: dict[str, list[Encoded]], bf16: bool
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Scores and logits a set: single-label rows, argmax over the classes the corpus knows."""
    scores, logits = {}, {}
    for name, rows in sets.items():
        rows = [r for r in rows if r.row.single]
        logits[name] = predict(model, rows, bf16=bf16)
        allowed = np.stack([r.row.allowed for r in rows])
        gold = np.array([r.row.target.argmax() for r in rows])
        scores[name] = report(masked_probabilities(logits[name], allowed), gold)
    return scores, logits


def attach_teachers(recipe: Recipe, rows: list[Encoded]) -> None:
    """Gives each row the mean logits of the recipe's teachers that know it."""
    found: dict[str, list[np.ndarray]] = {}
    for name in [*recipe.teachers, *recipe.transfer]:
        with np.load(RUNS / name / "teacher.npz") as saved:
            for row_id, logits in zip(saved["ids"], saved["logits"], strict=True):
                found.setdefault(str(row_id), []).append(logits)
    for r in rows:
        if r.row.id in found:
            r.row.teacher = np.mean(found[r.row.id], axis=0)
    known = sum(r.row.teacher is not None for r in rows)
    print(f"teachers know {known} of {len(rows)} rows", flush=True)


def drop_labels(recipe: Recipe, rows: list[Encoded]) -> None:
    """Takes the labels from the rows of the recipe's `unlabelled` corpora.

    Raises ValueError when nobody would be left to teach them.
    """
    if recipe.unlabelled and not (recipe.distil and recipe.teachers):
        raise ValueError("unlabelled: needs `teachers` and `distil`")
    for r in rows:
        if r.row.corpus in recipe.unlabelled:
            r.row.target = np.zeros_like(r.row.target)


class Trainer:
    """One run, with everything that a checkpoint must hold."""

    def __init__(self, recipe: Recipe, data: Prepared, run: Path, board: Any) -> None:
        self.recipe, self.data, self.run, self.board = recipe, data, run, board
        torch.manual_seed(recipe.seed)
        self.model = build_model(recipe, run)
        self.optimiser = torch.optim.AdamW(
            parameter_groups(
                self.model,
                recipe.rate,
                recipe.head_rate,
                recipe.layer_decay,
                recipe.weight_decay,
            ),
            fused=True,
        )
        self.base_rates = [g["lr"] for g in self.optimiser.param_groups]
        self.average = Average(self.model, recipe.average) if recipe.average else None
        embedding = next(m for m in self.model.modules() if isinstance(m, nn.Embedding))
        self.adversary = FastGradient(embedding, recipe.fgm) if recipe.fgm else None
        self.lengths = [len(r.ids) for r in data.train]
        self.groups: dict[str, list[int]] = {}
        for i, r in enumerate(data.train):
            self.groups.setdefault(r.row.corpus, []).append(i)
        self.shares = recipe.corpora | recipe.transfer
        shown = epoch_rows(self.groups, self.shares, 0, recipe.seed)
        per_epoch = -(-len(shown) // recipe.batch)
        self.total = int(per_epoch * recipe.epochs) // recipe.accumulate
        self.per_epoch = per_epoch
        self.interval = max(1, per_epoch // recipe.evaluations // recipe.accumulate)
        self.step = 0
        self.best = -1.0
        self.stale = 0

    def state(self) -> dict:
        """Everything that resuming needs."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": (self.average.shadow, self.average.step)
            if self.average
            else None,
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "random": torch.get_rng_state(),
        }

    def resume(self) -> None:
        """Goes on from `last.pt` where there is one."""
        path = self.run / "last.pt"
        if not path.exists():
            return
        saved = torch.load(path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.average and saved["average"]:
            self.average.shadow, self.average.step = saved["average"]
        self.step, self.best, self.stale = saved["step"], saved["best"], saved["stale"]
        torch.set_rng_state(saved["random"])
        print(f"resumed at step {self.step}", flush=True)

    def batches(self) -> list[list[int]]:
        """All remaining micro-batches of the run, in order."""
        out: list[list[int]] = []
        epoch = 0
        wanted = self.total * self.recipe.accumulate
        while len(out) < wanted:
            seed = self.recipe.seed
            rows = epoch_rows(self.groups, self.shares, epoch, seed)
            out += epoch_batches(
                rows, self.lengths, self.recipe.batch, seed * 1000 + epoch
            )
            epoch += 1
        return out[self.step * self.recipe.accumulate : wanted]

    def train(self) -> None:
        """Steps until the schedule's end or until development scores stop rising."""
        recipe = self.recipe
        started, running, seen = time.time(), 0.0, 0
        micro = self.batches()
        for start in range(0, len(micro), recipe.accumulate):
            self.model.train()
            for index in micro[start : start + recipe.accumulate]:
                batch = collate([self.data.train[i] for i in index], multiple=8)
                running += self.accumulate(batch)
                seen += int(batch.mask.sum())
            self.update()
            if self.step % 50 == 0:
                speed = seen / (time.time() - started)
                print(
                    f"step {self.step}/{self.total} loss {running / 50 / recipe.accumulate:.4f} "
                    f"{speed:.0f} tokens/s",
                    flush=True,
                )
                if self.board:
                    self.board.add_scalar(
                        "loss/train", running / 50 / recipe.accumulate, self.step
                    )
                running = 0.0
            due = self.step % self.interval == 0 or self.step == self.total
            if due and not self.evaluate():
                print("stopped early", flush=True)
                return

    def accumulate(self, batch: Batch) -> float:
        """Forward and backward of one micro-batch, with FGM's second pass."""
        share = 1 / self.recipe.accumulate
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
            loss = batch_loss(self.model, batch, self.recipe)
        (loss * share).backward()
        if self.adversary and self.adversary.attack():
            with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
                again = batch_loss(self.model, batch, self.recipe)
            (again * share).backward()
            self.adversary.restore()
        return float(loss.detach())

    def update(self) -> None:
        """One optimiser step."""
        recipe = self.recipe
        factor = schedule(self.step, self.total, recipe.warmup, recipe.decay)
        for group, rate in zip(
            self.optimiser.param_groups, self.base_rates, strict=True
        ):
            group["lr"] = rate * factor
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.average:
            self.average.update(self.model)
        self.step += 1

    def evaluate(self) -> bool:
        """Scores the (averaged) weights on the development sets; False when patience is spent."""
        sets = {
            f"{n}/dev": self.data.evaluation[f"{n}/dev"] for n in self.recipe.select
        }
        if self.average:
            self.average.swap(self.model)
        scores, _ = evaluate_sets(self.model, sets, self.recipe.bf16)
        total = sum(self.recipe.select.values())
        score = (
            sum(
                w * scores[f"{n}/dev"]["macroF1"] for n, w in self.recipe.select.items()
            )
            / total
        )
        better = score > self.best
        if better:
            self.best, self.stale = score, 0
            torch.save(self.model.state_dict(), self.run / "best.pt")
        else:
            self.stale += 1
        if self.average:
            self.average.swap(self.model)
        partial = self.run / "last.pt.partial"
        torch.save(self.state(), partial)
        partial.rename(self.run / "last.pt")
        record = {
            "step": self.step,
            "epoch": self.step * self.recipe.accumulate / self.per_epoch,
            "score": score,
            "best": self.best,
            "dev": {n: s["macroF1"] for n, s in scores.items()},
            "nll": {n: s["nll"] for n, s in scores.items()},
            "time": time.time(),
        }
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        parts = " ".join(f"{n}={s['macroF1']:.4f}" for n, s in scores.items())
        print(
            f"== step {self.step} epoch {record['epoch']:.2f} dev {score:.4f} {parts}"
            f"{' *' if better else ''}",
            flush=True,
        )
        if self.board:
            for n, s in scores.items():
                self.board.add_scalar(f"macroF1/{n}", s["macroF1"], self.step)
        return self.stale < self.recipe.patience


def _board(kind: str, run: Path) -> Any:
    if kind == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(run / "tensorboard"))
    if kind == "wandb":
        import wandb

        os.environ.setdefault("WANDB_MODE", "offline")
        session = wandb.init(project="node-red-emotion", name=run.name, dir=str(run))

        class Board:
            def add_scalar(self, name: str, value: float, step: int) -> None:
                session.log({name: value}, step=step)

        return Board()
    return None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    parser.add_argument(
        "--log", choices=("none", "tensorboard", "wandb"), default="none"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one key of the recipe; the value is YAML",
    )
    arguments = parser.parse_args()
    changes = {}
    for item in arguments.set:
        key, _, value = item.partition("=")
        changes[key] = yaml.safe_load(value)
    recipe = read_recipe(arguments.recipe, changes)
    torch.set_num_threads(recipe.threads)
    run = RUNS / recipe.name
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.yaml").write_text(
        yaml.safe_dump(dataclasses.asdict(recipe), allow_unicode=True, sort_keys=False)
    )
    data = prepare(recipe, arguments.data, run)
    print(
        f"{recipe.name}: {len(data.train)} training rows, {data.dropped} duplicates dropped, "
        f"{data.tokenizer.get_vocab_size()} tokens in the vocabulary",
        flush=True,
    )
    drop_labels(recipe, data.train)
    balance_classes(data.train, recipe.balance)
    if recipe.teachers or recipe.transfer:
        attach_teachers(recipe, data.train)
    trainer = Trainer(recipe, data, run, _board(arguments.log, run))
    trainer.resume()
    trainer.train()


if __name__ == "__main__":
    main()
