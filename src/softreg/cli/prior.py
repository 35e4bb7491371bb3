"""Other class frequencies where a model is used than where it was fitted: the options, and the model for there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.files import is_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from softreg.model import Model

__all__ = ["prior_options", "shares", "shifted"]

EQUAL, ESTIMATE = "equal", "estimate"
SHOWN = 100  # classes of a line


def prior_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, which `shifted` reads."""
    for option in (
        click.option(
            "--old-prior",
            metavar="SHARES",
            help="With --prior: the share of each class where the probabilities hold, in the same forms.  "
            "[default: as in the rows of the fit]",
        ),
        click.option(
            "--prior",
            metavar="SHARES",
            help="Share of each class where these rows are from: class=share,…; a CSV file with the columns class and "
            f"share; {EQUAL}; or {ESTIMATE}, from the rows without their labels. Probabilities follow.",
        ),
    ):
        command = option(command)
    return command


def shifted(ctx: click.Context, model: Model, X: Any) -> Model:
    """Return the model for the class frequencies that the options ask for; as it is where they ask for none.

    Raises
    ------
    click.UsageError
        Where an option is none of what it may be, or `--old-prior` is needed, or there alone.
    SoftregError
        Where shares are not those of the model's classes, or do not sum to 1.
    """
    new, old = ctx.params["prior"], ctx.params["old_prior"]
    if new is None:
        if old is not None:
            raise click.UsageError("--old-prior is for --prior, the shares where these rows are from.")
        return model
    before = model.class_prior if old is None else shares("--old-prior", old, model.classes)
    if before is None:
        raise click.UsageError(
            "--prior needs --old-prior: the model file does not say how frequent its classes were where it was fitted. "
            f"(--old-prior {EQUAL} is for classes that were all alike.)"
        )
    from softreg.decision import estimate_prior, shift_prior

    if new == ESTIMATE:
        found = estimate_prior(model.predict_proba(X), before)
        after = found.prior
        listed = [f"{label}={share:.4f}" for label, share in zip(model.classes.tolist(), after.tolist(), strict=True)]
        more = ",…" if len(listed) > SHOWN else ""
        click.echo(f"estimated prior: {','.join(listed[:SHOWN])}{more}; {found.message}", err=True)
    else:
        after = shares("--prior", new, model.classes)
    return shift_prior(model, after, before)


def shares(option: str, text: str, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Read the share of each class: class=share,…, the name of a CSV file, or "equal".

    Examples
    --------
    >>> import numpy as np
    >>> shares("--prior", "ill=0.1,well=0.9", np.array(["well", "ill"]))
    array([0.9, 0.1])
    """
    import numpy as np

    from softreg.decision.prior import frequencies
    from softreg.decision.tables import match_names

    known = [str(label) for label in classes.tolist()]
    if text == EQUAL:
        return np.full(len(known), 1 / len(known))
    where = f"{option} {text}"
    pairs = _of_file(Path(text), where) if is_file(text) else _of_text(where, text)
    names = [name for name, _ in pairs]
    match_names(where, names, known)
    by_name = {name: _number(where, name, share) for name, share in pairs}
    return frequencies([by_name[name] for name in known], where)


def _of_text(where: str, text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split(","):
        name, equals, share = part.rpartition("=")
        if not equals:
            raise click.UsageError(
                f"{where}: {part!r} is not class=share, nor a file; expected class=share,… or a CSV file with the "
                f"columns class and share, or {EQUAL}, or of --prior {ESTIMATE}."
            )
        pairs.append((name.strip(), share))
    return pairs


def _of_file(path: Path, where: str) -> list[tuple[str, str]]:
    from softreg.decision.tables import read_cells

    lines = read_cells(path, where)
    if not lines or any(len(line) != 2 for line in lines):
        raise click.UsageError(f"{where}: expected two columns, class and share, and a line with their names.")
    return [(name, share) for name, share in lines[1:]]


def _number(where: str, name: str, share: str) -> float:
    try:
        return float(share)
    except ValueError:
        raise click.UsageError(f"{where}: the share of {name!r} is {share!r}; expected a number.") from None
