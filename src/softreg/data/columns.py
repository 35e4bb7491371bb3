"""Which columns of a table are what, by name."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from softreg.errors import ColumnError

__all__ = ["Columns", "features", "found", "listed", "near"]

SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are: the labels, the features, the weights of rows.

    `features` are names or patterns, as of file names; one with ! before it takes columns away again. Without any they
    are all columns but the other two.
    """

    target: str | None = None
    features: tuple[str, ...] = ()
    weight: str | None = None


def found(name: str, names: Sequence[str], where: str, role: str) -> str:
    """Return the name, if the table has it.

    Raises
    ------
    ColumnError
        Where it has not: the message has the names that are like it, or all of them.
    """
    if name not in names:
        raise ColumnError((name,), f"{where} has no column {name!r} for {role}{near(name, names)}")
    return name


def features(columns: Columns, names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the names of the features, in the table's order; or, where they are named one by one, in that order.

    Raises
    ------
    ColumnError
        Where a name or pattern stands for nothing, or nothing is left.

    Examples
    --------
    >>> features(Columns("y", ("x*", "!x2")), ["x1", "x2", "x3", "y"], "a.csv")
    ('x1', 'x3')
    """
    others = [name for name in names if name not in (columns.target, columns.weight)]
    chosen: dict[str, None] = {}
    if not columns.features or columns.features[0].startswith("!"):
        chosen = dict.fromkeys(others)
    for pattern in columns.features:
        away = pattern.startswith("!")
        wanted = pattern[1:] if away else pattern
        for name in _matching(wanted, names, others, where):
            if away:
                chosen.pop(name, None)
            else:
                chosen[name] = None
    if not chosen:
        raise ColumnError((), f"{where} has no columns left for features: it has {listed(names)}")
    return tuple(chosen)


def _matching(pattern: str, names: Sequence[str], others: Sequence[str], where: str) -> Sequence[str]:
    if pattern in names:  # also one that looks like a pattern; and the target, if it is asked for
        if pattern not in others:
            raise ColumnError((pattern,), f"--features names {pattern!r}, which is the target or the weight already")
        return [pattern]
    matching = fnmatch.filter(others, pattern) if set(pattern) & set("*?[") else []
    if not matching:
        raise ColumnError((pattern,), f"{where} has no column {pattern!r} for --features{near(pattern, names)}")
    return matching


def near(name: str, names: Sequence[str]) -> str:
    """Return what to say of a name that is not there: those that are like it, or what there is.

    Examples
    --------
    >>> near("colour", ["color", "size"]), near("x", ["color", "size"])
    (": did you mean 'color'?", "; it has 'color' and 'size'")
    """
    folded = {other.casefold().strip(): other for other in names}
    like = [folded[key] for key in difflib.get_close_matches(name.casefold().strip(), folded, n=3, cutoff=0.6)]
    if like:
        return f": did you mean {' or '.join(map(repr, like))}?"
    return f"; it has {listed(names)}" if names else ""


def listed(names: Iterable[str], shown: int = SHOWN) -> str:
    """Return names as a sentence has them; of many, the first and the last.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed("abcdef", shown=4)
    ("'a', 'b' and 'c'", "'a', 'b', …, 'e' and 'f' (6 in all)")
    """
    quoted = [repr(name) for name in names]
    count = ""
    if len(quoted) > shown + 1:
        count = f" ({len(quoted)} in all)"
        quoted = [*quoted[: shown // 2], "…", *quoted[-(shown // 2) :]]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]])) + count if quoted else "none"
