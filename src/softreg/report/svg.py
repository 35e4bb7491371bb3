"""From a matplotlib figure to SVG that lives in a page: transparent, its text as text, its colours the page's.

Colours are drawn as stand-ins and become CSS variables, so that one drawing serves the light and the dark scheme. The
page's font takes the place of matplotlib's, which is wider than most: what fits in one fits in the other.
"""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "as_svg"]

# what is drawn with → the page's variable
COLOURS = {
    "ink": "#010101",
    "muted": "#010102",
    "line": "#010103",
    "one": "#010104",
    "two": "#010105",
    "three": "#010106",
    "paper": "#010107",
}
_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
_SETTINGS: Any = {"svg.fonttype": "none", "path.simplify": True, "hatch.linewidth": 1.1}
_LOCK = threading.Lock()  # matplotlib reads its settings while it writes, and there is one of them


def as_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Return <svg> for a page.

    Parameters
    ----------
    name : str
        Of this drawing on its page: its ids begin with it.
    title, description : str
        What is read to those who do not see it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure(figsize=(1, 1))
    >>> _ = figure.text(0, 0, "a < b", color=COLOURS["ink"])
    >>> drawn = as_svg(figure, "x", "A title", "What it says")
    >>> drawn[:90], "a &lt; b</text>" in drawn, "var(--ink)" in drawn
    ('<svg viewBox="0 0 72 72" role="img" aria-labelledby="x-title x-description"><title id="x-t', True, True)
    """
    import matplotlib as mpl
    from markupsafe import escape

    out = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _LOCK, mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    view = re.search(r'viewBox="([^"]*)"', text)
    body = text[text.index("<g id=") : text.rindex("</svg>")]  # not the <style> before it, whose rules are for a page
    body = re.sub(r"\s*\n\s*", " ", body)
    body = re.sub(r"(?<==\")[^\"]*(?=\")", lambda found: _rounded(found[0]), body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r"(?<!\w)font: (?:[a-z0-9]+ )*?([\d.]+px) [^;\"]*;? ?", r"font-size: \1; ", body)
    body = re.sub(r' transform="rotate\(-?0(?: [^)]*)?\)"', "", body)
    used = set(re.findall(r"#([\w.-]+)", re.sub(r">[^<]*<", "><", body)))
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r"(xlink:href=\"|url\()#", rf"\1#{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"#0101\d\d", lambda found: _VARIABLES.get(found[0], found[0]), body)
    body = re.sub(r"> <", "><", body)
    assert view is not None  # noqa: S101 - savefig writes one
    labelled = f'role="img" aria-labelledby="{name}-title {name}-description"'
    titles = (
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-description">{escape(description)}</desc>'
    )
    return f'<svg viewBox="{view[1]}" {labelled}>{titles}{body}</svg>'


def _rounded(attribute: str) -> str:
    """Numbers to a hundredth of a point."""
    return re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), attribute)
