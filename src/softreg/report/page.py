"""The page: a template, and what is put into it. Everything that comes from data is escaped, by jinja2 or as JSON."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from softreg.report import words
from softreg.report.contents import contents
from softreg.report.examples import OF_A_KIND
from softreg.report.pictures import Drawing, learning_curves, reliability_diagram, risk_curve, set_sizes
from softreg.report.sections import calibrated

if TYPE_CHECKING:
    from softreg.report.result import Report

__all__ = ["frame", "in_script", "page"]

SIDE, SMALL = 84, 64  # pixels that an image is shown with at most, unless it has more; and on a phone


def page(report: Report) -> str:
    """Return the whole page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "percent": words.percent,
        "number": words.number,
        "whole": words.whole,
        "plural": words.plural,
        "signed": lambda value: f"{value:+#.3g}".replace("-", "−"),
    }
    script = _file("script.js").strip()
    drawings, risk = _drawings(report)
    values: dict[str, Any] = contents(report) | {name: Markup(svg) for name, svg in drawings.items()}  # noqa: S704 - escaped as drawn
    images = report.images
    values |= {
        "style": Markup(_file("style.css").strip()),  # noqa: S704 - ours
        "script": Markup(script),  # noqa: S704 - ours
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "script_data": Markup(in_script(_for_script(report, risk))),  # noqa: S704 - escaped
        "images_url": images and _url(images.png),
        "factor": images and max(1, SIDE // max(images.height, images.width)),
        "small_factor": images and max(1, SMALL // max(images.height, images.width)),
        "weight_urls": [
            (str(label), _url(png)) for label, png in zip(report.fit.classes, report.weights, strict=False)
        ],
        "curve_svgs": [(name.capitalize(), values[name]) for name in ("loss", "accuracy") if name in values],
        "interval": words.interval,
    }
    return environment.from_string(_file("page.html")).render(values) + "\n"


def frame(report: Report) -> str:
    """Return the page in a frame, for a notebook, whose styles it leaves alone."""
    title = html.escape(f"{report.fit.model} on {report.rows.name}: a report")
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" style="width:100%;height:44rem;border:1px solid #8888;'
        f'border-radius:6px" srcdoc="{html.escape(report.to_html())}"></iframe>'
    )


def in_script(value: Any) -> str:
    r"""Return JSON for a <script>, which no text in it can end.

    >>> in_script("</script><!--&")
    '"\\u003c/script\\u003e\\u003c!--\\u0026"'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _file(name: str) -> str:
    return files("softreg.report").joinpath(name).read_text("utf-8")


def _url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _drawings(report: Report) -> tuple[dict[str, str], Drawing | None]:
    drawn = dict.fromkeys(("reliability_before", "reliability_after", "risk", "sizes"), "")
    risk = None
    if report.curves is not None:
        drawn |= {what: learning_curves(report.curves, what) for what in ("loss", "accuracy")}
    trust = report.trust
    if trust is not None:
        title = "How right it was, by how sure it was"
        drawn["reliability_before"] = reliability_diagram(trust.reliability_before, "before", title, after=False)
        if trust.reliability_after is not None:
            drawn["reliability_after"] = reliability_diagram(
                trust.reliability_after, "after", f"{title}, with {calibrated(trust)}", after=True
            )
        risk = risk_curve(trust)
        drawn["risk"], drawn["sizes"] = risk.svg, set_sizes(trust)
    return drawn, risk


def _for_script(report: Report, risk: Drawing | None) -> Mapping[str, Any]:
    data: dict[str, Any] = {
        "classes": [str(label) for label in report.fit.classes],
        "images": report.images is not None,
        "columns": report.images.columns if report.images is not None else 0,
        "rows": [[one.row, one.true, one.predicted, round(one.probability, 6), one.image] for one in report.kinds],
        "counts": report.counts,
        "each": OF_A_KIND,
    }
    if report.trust is not None and risk is not None:
        judged = report.trust.held_out.judged
        data["thresholds"] = [
            {"left": judged - t.answered, "coverage": round(t.coverage, 5), "risk": t.risk and round(t.risk, 5)}
            | {"answered": words.percent(t.coverage), "wrong": words.percent(t.risk)}  # as the table has them
            for t in report.trust.thresholds
        ]
        data["risk"] = {"origin": risk.origin, "scale": risk.scale}
    return data
