"""The options by which `softreg predict` decides, and what they make of rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.files import argument, program

if TYPE_CHECKING:
    from softreg.decision import CostMatrix, Decisions
    from softreg.model import Model

__all__ = ["Rule", "Tally", "check_sets", "costs_option", "decision_options", "rule_from", "sets_option"]

_AT_ONCE = 1024  # rows: lines appear as they are computed
SHOWN = 8  # actions of a line


def _share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:  # nor nan, which click's ranges take
        raise click.BadParameter(f"{value:g} is not a share between 0 and 1")
    return value


def _share_or_all(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    return value if value == 1 else _share(ctx, param, value)


def costs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--costs`."""
    return click.option(
        "--costs",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="CSV table of what each action costs where each class is true: a line with the actions' names, then a "
        "line for each class.",
    )(command)


def sets_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--sets`."""
    return click.option(
        "--sets",
        type=float,
        callback=_share,
        metavar="COVERAGE",
        help="Sets of classes that hold the true one so often, as 0.95; of a model from `softreg calibrate --sets`.",
    )(command)


def decision_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, which `rule_from` reads."""
    for option in (
        sets_option,
        click.option(
            "--accept",
            type=float,
            callback=_share_or_all,
            metavar="SHARE",
            help="Share of these rows to decide on, as 0.95: those of the least expected cost, and all that are equal "
            "to the last of them. Others are rejected.",
        ),
        click.option(
            "--reject-cost",
            type=float,
            metavar="COST",
            help="What it costs to reject a row, for someone else to decide: in units of the costs, or of a mistake.",
        ),
        costs_option,
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Rule:
    """How to decide. `at_once` are the rows that must be seen together."""

    costs: CostMatrix | None
    reject: float | None
    accept: float | None
    sets: float | None
    at_once: int | None  # None: all

    @property
    def acts(self) -> bool:
        """Whether there are actions, or only labels and their probabilities."""
        return any(asked is not None for asked in (self.costs, self.reject, self.accept))

    def decide(self, model: Model, X: Any) -> Iterator[Decisions]:
        """Return what to do with the rows, some at a time."""
        step = self.at_once or max(len(X), 1)
        for start in range(0, len(X), step):
            some = X[start : start + step]
            yield model.decide(some, costs=self.costs, reject=self.reject, accept=self.accept, sets=self.sets)

    def fields(self, decisions: Decisions) -> Iterator[dict[str, Any]]:
        """Return what there is to tell of each row, as plain values by name."""
        labels, accepted = decisions.classes.tolist(), decisions.accepted.tolist()
        codes = decisions.probs.argmax(axis=1).tolist()
        names, costs = decisions.names.tolist(), decisions.cost.tolist()
        for i, code in enumerate(codes):
            row = {"label": labels[code], "probability": float(decisions.probs[i, code])}
            if self.acts:
                name = labels[code] if self.costs is None and accepted[i] else names[i]  # in the labels' type
                row |= {"action": name, "accepted": accepted[i]}
            if self.costs is not None:
                row["cost"] = None if math.isnan(costs[i]) else costs[i]
            if decisions.sets is not None:
                row["set"] = [label for label, held in zip(labels, decisions.sets[i].tolist(), strict=True) if held]
            yield row


def rule_from(ctx: click.Context, model: Model, path: Path) -> Rule:
    """Return what the options ask for; `path` is the model's file.

    Raises
    ------
    click.UsageError
        Where options contradict each other, or the model cannot do it.
    SoftregError
        Where the costs are not for the model's classes.
    """
    options = ctx.params
    reject, accept, sets = options["reject_cost"], options["accept"], options["sets"]
    if reject is not None and accept is not None:
        raise click.UsageError("--reject-cost and --accept exclude each other: either a price or a number of rows.")
    if reject is not None and not math.isfinite(reject):
        raise click.UsageError(f"--reject-cost {reject}: expected a finite number.")
    if reject is not None and options["costs"] is None and not 0 <= reject <= 1:
        raise click.UsageError(
            f"--reject-cost {reject:g}: without --costs a mistake costs 1, and a rejection something from 0 to 1."
        )
    if sets is not None:
        check_sets(ctx, model, path)
    costs = None
    if options["costs"] is not None:
        from softreg.decision import CostMatrix

        costs = CostMatrix.from_table(options["costs"], model.classes)
    # A share is of all rows; and what sets draw of the seed is drawn row by row, from the first.
    together = accept is not None or sets is not None
    return Rule(costs, reject, accept, sets, None if together else _AT_ONCE)


def check_sets(ctx: click.Context, model: Model, path: Path) -> None:
    """Raise click.UsageError where sets are not to be had: without scores for them, or with `--prior`.

    The message has the command that makes scores.
    """
    if ctx.params["prior"] is not None:
        raise click.UsageError(
            "--sets and --prior exclude each other: sets promise what they do for classes as frequent as held out."
        )
    if model.conformal is None:
        name = argument(path)
        target = "" if model.feature_names is None else " --target COLUMN"
        out = argument(path.with_name(f"{path.stem}-calibrated{path.suffix}"))
        raise click.UsageError(
            f"--sets: {path} has no scores of held-out rows. With rows that it was not fitted on, this makes a model "
            f"that has:\n  {program(ctx)} calibrate {name} HELD_OUT{target} --sets lac -o {out}"
        )


@dataclass
class Tally:
    """What was decided in all, for a last line on stderr."""

    rule: Rule
    actions: Counter[str] = field(default_factory=Counter)
    cost: float = 0.0
    accepted: int = 0
    rows: int = 0
    size: int = 0
    empty: int = 0

    def add(self, decisions: Decisions) -> None:
        """Count some rows."""
        import numpy as np

        counts = np.bincount(decisions.action, minlength=len(decisions.actions)).tolist()
        for name, count in zip(map(str, decisions.actions.tolist()), counts, strict=True):
            self.actions[name] += count
        self.cost += float(np.nansum(decisions.cost))
        self.accepted += int(decisions.accepted.sum())
        self.rows += decisions.n_rows
        if decisions.sets is not None:
            sizes = decisions.sets.sum(axis=1)
            self.size += int(sizes.sum())
            self.empty += int((sizes == 0).sum())

    def lines(self, model: Model) -> list[str]:
        """Return it in sentences."""
        lines = []
        if self.rule.acts and self.rows:
            counts = [f"{count:,} {name}" for name, count in self.actions.items()]
            last = counts[-1:] if self.accepted < self.rows else []  # the rejected
            shown = counts[:SHOWN] + (last if len(counts) > SHOWN else [])
            more = f", and {len(counts) - len(shown)} more actions" if len(counts) > len(shown) else ""
            cost = ""
            if self.rule.costs is not None:
                of, n = ("accepted row", self.accepted) if self.rule.accept is not None else ("row", self.rows)
                cost = f"; expected cost {self.cost / n:.4g} for each {of}" if n else ""
            lines.append(f"decided: {', '.join(shown)}{more}{cost}")
            if self.accepted < self.rows:
                lines.append(f"accepted: {self.accepted:,} of {self.rows:,} rows")
        if self.rule.sets is not None and self.rows and model.conformal and model.conformal.scores is not None:
            lines.append(
                f"sets of {100 * self.rule.sets:g} %: {self.size / self.rows:.3f} classes on average, {self.empty:,} "
                f"empty; by the scores ({model.conformal.score}) of {len(model.conformal.scores):,} held-out rows"
            )
            if not all(map(math.isfinite, model.conformal.thresholds(self.rule.sets).tolist())):
                lines.append("there are too few held-out rows for that coverage: classes are in the sets of all rows")
        return lines
