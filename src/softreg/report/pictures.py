"""The drawings of a report. Each returns SVG whose title and description say what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softreg.report.figures import Curves, Trust
from softreg.report.svg import COLOURS, as_svg
from softreg.report.words import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from softreg.metrics import Reliability

__all__ = ["Drawing", "learning_curves", "reliability_diagram", "risk_curve", "set_sizes"]

WIDTH, HEIGHT = 5.0, 3.3  # inches: 360 points, of which a phone shows each as a pixel
POINTS = 160  # of a curve
TEXT = 10.5
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Drawing:
    """SVG, and where the data lies in it: pixels = origin + scale · data, for what a script adds to it."""

    svg: str
    origin: tuple[float, float]
    scale: tuple[float, float]


def learning_curves(curves: Curves, what: str) -> str:
    """Draw "loss" or "accuracy", of the training and of the validation rows."""
    figure, axes = _figure()
    by = "epoch" if curves.by == "epoch" else "passes over the training rows"
    said = []
    some = curves.some(POINTS)
    few = len(some) <= 25
    named = (("training", getattr(curves, what), "one", "o", "-"),
             ("validation", getattr(curves, f"validation_{what}"), "two", "s", (0, (5, 2))))  # fmt: skip
    for label, values, colour, marker, style in named:
        if values is None:
            continue
        axes.plot(
            curves.at[some], values[some], color=COLOURS[colour], marker=marker if few else None, linestyle=style,
            markersize=4.5, linewidth=1.8, label=label,
        )  # fmt: skip
        say = percent if what == "accuracy" else number
        said.append(f"{label} from {say(values[0])} to {say(values[-1])}")
    axes.set_xlabel(by)
    if what == "accuracy":
        _percents(axes.yaxis)
    if curves.by == "epoch":
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    _legend(axes)
    title = f"{what.capitalize()} by {by}"
    return as_svg(figure, f"curve-{what}", title, f"{title}: {'; '.join(said)}.")


def reliability_diagram(found: Reliability, name: str, title: str, *, after: bool) -> str:
    """Draw how often answers were right against how sure the model was of them, and how many rows say so."""
    figure, axes = _figure(height=3.6)
    colour = COLOURS["two" if after else "one"]
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linewidth=1.1, linestyle=(0, (4, 3)))
    share = found.weight / found.weight.sum()
    axes.bar(
        found.lower, 0.22 * share / share.max(), found.upper - found.lower, align="edge", facecolor="none",
        edgecolor=COLOURS["muted"], linewidth=0.8, hatch="\\\\\\" if after else "///",
    )  # fmt: skip
    if np.isfinite(found.low).all():
        off = np.clip([found.accuracy - found.low, found.high - found.accuracy], 0, None)
        _, caps, _ = axes.errorbar(
            found.confidence, found.accuracy, off, fmt="none", ecolor=colour, elinewidth=1.3, capsize=2.5
        )
        for cap in caps:
            cap.set_markerfacecolor(colour)
    axes.plot(found.confidence, found.accuracy, color=colour, marker="s" if after else "o", markersize=5, linewidth=1.3)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="how sure it was", ylabel="how often it was right")
    _percents(axes.xaxis)
    _percents(axes.yaxis)
    said = "; ".join(
        f"{percent(c)} sure, {percent(a)} right of {n:,} rows"
        for c, a, n in zip(found.confidence, found.accuracy, found.count.tolist(), strict=True)
    )
    return as_svg(figure, name, title, f"By bins of confidence: {said}. Calibrated answers lie on the diagonal.")


def risk_curve(trust: Trust) -> Drawing:
    """Draw the share of mistakes among the answers, by the share of rows that are answered."""
    figure, axes = _figure()
    points = [(one.coverage, one.risk) for one in trust.thresholds if one.risk is not None]
    coverage, risk = np.array(points).T
    axes.plot(coverage, risk, color=COLOURS["one"], linewidth=1.8)
    axes.fill_between(coverage, 0, risk, color=COLOURS["one"], alpha=0.12, linewidth=0)
    axes.set(xlim=(0, 1.01), ylim=(0, max(0.01, 1.12 * float(risk.max()))), xlabel="rows answered")
    axes.set_ylabel("mistakes among them")
    _percents(axes.xaxis)
    _percents(axes.yaxis)
    marks = [one for one in trust.thresholds if one.risk is not None and round(100 * one.threshold) in (0, 50, 80, 90)]
    said = "; ".join(f"{percent(one.coverage)} answered, {percent(one.risk or 0.0)} of them wrong" for one in marks)
    svg = as_svg(figure, "risk", "Mistakes by the share of rows answered", f"From all rows to the surest: {said}.")
    height = figure.get_size_inches()[1] * 72
    (x0, y0), (x1, y1) = (axes.transData.transform(at) * 72 / figure.dpi for at in ((0, 0), (1, 1)))
    return Drawing(svg, (float(x0), float(height - y0)), (float(x1 - x0), float(y0 - y1)))


def set_sizes(trust: Trust) -> str:
    """Draw how many sets have how many classes, for each promise."""
    figure, axes = _figure()
    sizes = [one.judged.sizes / one.judged.n_rows for one in trust.sets]
    most = max(int(np.flatnonzero(size)[-1]) for size in sizes)
    shown = min(most, 9)
    looks = (("one", ""), ("two", "////"), ("three", "xxx"))
    width = 0.8 / len(sizes)
    for i, (one, size, (colour, hatch)) in enumerate(zip(trust.sets, sizes, looks, strict=True)):
        bars = np.append(size[:shown], size[shown:].sum())
        axes.bar(
            np.arange(shown + 1) + (i - 1) * width, bars, width * 0.9, label=f"{percent(one.promised, 0)}",
            facecolor=COLOURS[colour] if not hatch else "none", edgecolor=COLOURS[colour], hatch=hatch, linewidth=1.1,
        )  # fmt: skip
    axes.set_xticks(range(shown + 1), [*map(str, range(shown)), f"{shown}" + ("+" if most > shown else "")])
    axes.set(xlabel="classes in the set", ylabel="rows")
    _percents(axes.yaxis)
    axes.legend(  # above, as bars may be anywhere
        frameon=False, fontsize=TEXT, labelcolor=COLOURS["ink"], loc="lower left", bbox_to_anchor=(0, 1),
        ncols=len(sizes), columnspacing=1, handlelength=1.4, handletextpad=0.5, borderaxespad=0.2,
    )  # fmt: skip
    said = "; ".join(
        f"at {percent(one.promised, 0)} promised, {one.judged.mean_size:.2f} classes on average, "
        f"{percent(one.judged.single)} of sets with exactly one"
        for one in trust.sets
    )
    return as_svg(figure, "sizes", "How many classes the sets have", f"{said}.")


def _figure(height: float = HEIGHT) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(COLOURS["line"])
    axes.tick_params(colors=COLOURS["line"], labelcolor=COLOURS["muted"], labelsize=TEXT, length=3)
    axes.grid(color=COLOURS["line"], linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=COLOURS["ink"], fontsize=TEXT)
    return figure, axes


def _percents(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=TEXT, labelcolor=COLOURS["ink"])
