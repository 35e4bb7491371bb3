"""The options of `softreg train` that make its Settings: the solver, what only some solvers take, and every fit's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import click

from softreg.cli.options import flag, given
from softreg.model import AUTO, Settings
from softreg.solvers import SGD, SOLVERS
from softreg.solvers.sgd import SCHEDULES

__all__ = ["settings_from", "settings_options", "solver_name"]

NAMES = [*SOLVERS, AUTO]
_DEFAULTS = asdict(Settings()) | asdict(SGD())  # they stand there, once
TABLE_SOLVER, TABLE_C = AUTO, 1.0  # of tables the optimum is wanted, and a proof of it
_COUNT, _POSITIVE = click.IntRange(min=0), click.IntRange(min=1)

# option → its type, its default and what it is; of these a solver takes some
_OF_SOLVERS: dict[str, tuple[Any, Any, str]] = {
    "epochs": (_COUNT, _DEFAULTS["max_steps"], "How often each row is seen."),
    "batch_size": (_POSITIVE, _DEFAULTS["batch_size"], "Rows in each step."),
    "learning_rate": (float, _DEFAULTS["learning_rate"], "Factor of the gradient in each step."),
    "momentum": (float, _DEFAULTS["momentum"], "Share of each step that goes into the next."),
    "schedule": (click.Choice(list(SCHEDULES)), _DEFAULTS["schedule"], "How the rate falls over the epochs."),
    "max_steps": (_COUNT, None, "Steps after which it gives up.  [default: the solver's own number]"),
    "tol": (float, _DEFAULTS["tol"], "Relative gap to the optimum that is near enough, once it is proved."),
}
_OF_FITS: dict[str, tuple[Any, Any, str]] = {
    "C": (float, None, "Inverse strength of the penalty; inf for none.  [default: inf; 1 for tables]"),
    "l1_ratio": (float, _DEFAULTS["l1_ratio"], "Share of L1 in the penalty, for proximal and auto; 1 for L1 alone."),
    "fit_intercept": (bool, _DEFAULTS["fit_intercept"], "Whether each class has a bias."),
    "label_smoothing": (float, _DEFAULTS["label_smoothing"], "Share of each label that goes to all classes alike."),
    "init_std": (float, _DEFAULTS["init_std"], "Deviation of the weights' first values."),
    "seed": (_COUNT, _DEFAULTS["seed"], "Of the first weights and the order of the batches."),
}


def _takes(name: str, option: str) -> bool:
    """Whether an option is one of this solver's: a field of its settings, or of its nature."""
    if name == AUTO:  # which will be one that converges
        return option in ("max_steps", "tol")
    solver: Any = SOLVERS[name]
    if option in ("max_steps", "tol"):
        return bool(solver.converges)
    if option == "epochs":
        return not solver.converges
    return option in {field.name for field in fields(solver)}


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; they come to it as keywords."""
    solver = (click.Choice(NAMES), None, "How to go downhill.  [default: sgd; auto for tables]")
    options = {"solver": solver, **_OF_SOLVERS, **_OF_FITS}
    for option, (kind, default, text) in reversed(options.items()):
        if option in _OF_SOLVERS:
            takers = [name for name in NAMES if _takes(name, option)]
            text = f"{', '.join(takers)}: {text[0].lower()}{text[1:]}"
        shown = default is not None
        command = click.option(flag(option), option, type=kind, default=default, show_default=shown, help=text)(command)
    return command


def solver_name(ctx: click.Context, *, images: bool) -> str:
    """Return the name of the solver that is asked for."""
    return ctx.params["solver"] or ("sgd" if images else TABLE_SOLVER)


def settings_from(ctx: click.Context, *, images: bool) -> Settings:
    """Make the Settings that the options ask for; where they do not say, the chapter's for images.

    Raises
    ------
    click.UsageError
        Where an option was given that the solver does not take.
    """
    name = solver_name(ctx, images=images)
    for option in _OF_SOLVERS:
        if given(ctx, option) and not _takes(name, option):
            others = ", ".join(flag(other) for other in _OF_SOLVERS if _takes(name, other))
            raise click.UsageError(f"{flag(option)} is not an option of the solver {name}, which takes {others}.")
    solver: Any = name
    if name != AUTO:
        kind: Any = SOLVERS[name]
        chosen = {field.name: ctx.params[field.name] for field in fields(kind) if field.name in ctx.params}
        if chosen.get("schedule", "constant") != "constant":
            chosen["period"] = max(1, ctx.params["epochs"])
        solver = kind(**chosen)
    C = ctx.params["C"]
    if C is None:
        C = _DEFAULTS["C"] if images else TABLE_C
    return Settings(
        solver=solver,
        max_steps=ctx.params["max_steps" if _takes(name, "max_steps") else "epochs"],
        tol=ctx.params["tol"],
        **{option: ctx.params[option] for option in _OF_FITS} | {"C": C},
    )
