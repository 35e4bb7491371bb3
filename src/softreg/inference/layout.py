"""How results look: a text that is set like a statistician's table, and the same as HTML.

A layout is a title, figures with their names, and sections: a heading and rows of cells under common columns.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

__all__ = ["Layout", "figures", "p_figure", "plain"]

LONGEST = 32  # characters of a name, in a text
GAP = "  "
MOST_DECIMALS = 9


@dataclass(frozen=True)
class Layout:
    """What is to be shown; all cells are text already."""

    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]  # the first is over the names of the rows
    sections: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return it as lines of one width."""
        sections = [(_cut(heading), [(_cut(row[0]), *row[1:]) for row in rows]) for heading, rows in self.sections]
        cells = [self.columns, *(row for _, rows in sections for row in rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        widths[0] = max([widths[0], *(len(heading) for heading, _ in sections)])
        facts = _two_columns(self.facts)
        width = max([sum(widths) + len(GAP) * (len(widths) - 1), len(self.title), *map(len, facts)])

        def line(row: tuple[str, ...]) -> str:
            parts = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            return GAP.join(parts).rstrip()

        out = [self.title, "=" * width, *([*facts, "=" * width] if facts else []), line(self.columns)]
        for heading, rows in sections:
            out += ["-" * width, *([heading] if heading else []), *map(line, rows)]
        return "\n".join([*out, "=" * width, *self.notes])

    def html(self) -> str:
        """Return it as HTML without scripts, styles of its own or anything that is fetched; names are escaped."""
        e = html.escape
        facts = "".join(f"<tr><th scope='row'>{e(name)}</th><td>{e(value)}</td></tr>" for name, value in self.facts)
        head = "".join(f"<th scope='col'>{e(name)}</th>" for name in self.columns)
        body = []
        for heading, rows in self.sections:
            if heading:
                body.append(f"<tr><th scope='rowgroup' colspan='{len(self.columns)}'>{e(heading)}</th></tr>")
            for row in rows:
                cells = "".join(f"<td>{e(cell)}</td>" for cell in row[1:])
                body.append(f"<tr><th scope='row'>{e(row[0])}</th>{cells}</tr>")
        notes = "".join(f"<p>{e(note)}</p>" for note in self.notes)
        return (
            f"<div class='softreg'><table><caption>{e(self.title)}</caption><tbody>{facts}</tbody></table>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{notes}</div>"
        )


def figures(error: float, *values: float) -> tuple[str, ...]:
    """Values of one row with the decimals that four digits of their standard error have, at least four of them.

    >>> figures(0.37, -0.5818, 0.37), figures(0.008074, 0.0387, 0.1), figures(2e-12, 3e-10)
    (('-0.5818', '0.3700'), ('0.038700', '0.100000'), ('3.000e-10',))
    """
    decimals = 3 - math.floor(math.log10(error)) if 0 < error < math.inf else 4
    decimals = max(decimals, 4)
    exponents = decimals > MOST_DECIMALS or not error < 1e6  # true for nan
    return tuple(f"{value:.3e}" if exponents else f"{value:.{decimals}f}" for value in values)


def p_figure(value: float) -> str:
    """Three decimals; less is said to be less."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def plain(name: object) -> str:
    """A name on one line: what does not print is shown as its escape."""
    text = str(name)
    return text if text.isprintable() else repr(text)[1:-1]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _two_columns(facts: tuple[tuple[str, str], ...]) -> list[str]:
    half = -(-len(facts) // 2)
    columns = []
    for part in (facts[:half], facts[half:]):
        name, value = (max((len(fact[i]) for fact in part), default=0) for i in (0, 1))
        columns.append([f"{fact[0].ljust(name)}  {fact[1].rjust(value)}" for fact in part])
    left = max(map(len, columns[0]), default=0)
    columns[1] += [""] * (half - len(columns[1]))
    return [f"{a.ljust(left)}     {b}".rstrip() for a, b in zip(*columns, strict=True)]
