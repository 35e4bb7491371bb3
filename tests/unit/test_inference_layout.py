"""What results look like: to a person, to a browser and to a DataFrame."""

from __future__ import annotations

import html.parser
import sys
from typing import Any

import numpy as np
import pytest

from inference_problems import sample
from softreg import Dataset, Settings, fit
from softreg.errors import MissingPackageError
from softreg.inference import MarginalEffects, Summary, Table, marginal_effects, summary

EVIL = "<script>alert(1)</script>"


def named(classes: list[str], names: list[str]) -> tuple[Summary, MarginalEffects]:
    X, y = sample(1, K=3)
    y = np.array(classes)[np.searchsorted(list("abc"), y)]
    model, _ = fit(Dataset.from_labels(X, y, feature_names=names), Settings.for_inference())
    return summary(model, X, y, base=classes[0]), marginal_effects(model, X, y)


PLAIN = named(["low", "middle", "high"], ["age", "income", "owns"])


def test_a_text_has_a_line_for_each_coefficient_under_its_class() -> None:
    found = PLAIN[0]
    lines = str(found).splitlines()
    assert lines[0] == "Softmax regression: coefficients against class low"
    width = len(lines[1])
    assert lines[1] == "=" * width
    assert all(len(line) <= width for line in lines)
    at = lines.index("middle")
    assert lines[at + 1].split()[:3] == [
        "intercept",
        f"{found.coefficients[1, 0]:.4f}",
        f"{found.standard_errors[1, 0]:.4f}",
    ]
    assert [line.split()[0] for line in lines[at + 1 : at + 5]] == ["intercept", "age", "income", "owns"]
    header = next(line for line in lines if "estimate" in line)
    assert header.endswith("high")
    assert len(lines[at + 1]) == len(header), "columns end where their names do"
    for name, value in [("Log-likelihood", found.log_likelihood), ("AIC", found.aic), ("BIC", found.bic)]:
        assert any(f"{name} " in line and f"{value:.4f}" in line for line in lines), name


@pytest.mark.parametrize("which", [0, 1], ids=["summary", "effects"])
def test_names_are_text_in_html(which: int) -> None:
    found: Any = named([EVIL, "a & b", "c"], ["<b>age</b>", 'x" onload="alert(2)', "it's"])[which]
    page = found._repr_html_()
    assert EVIL not in page

    class Reader(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: set[str] = set()
            self.attributes: set[str] = set()
            self.text = ""

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.tags |= {tag}
            self.attributes |= {name for name, _ in attrs}

        def handle_data(self, data: str) -> None:
            self.text += data

    reader = Reader()
    reader.feed(page)
    assert reader.tags == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert reader.attributes == {"class", "scope", "colspan"}
    for name in (EVIL, "a & b", "<b>age</b>", 'x" onload="alert(2)', "it's"):
        assert name in reader.text


def test_names_that_do_not_print_or_do_not_end_stay_on_their_line() -> None:
    found, _ = named(["a", "b\nb", "c" * 100], ["tab\there", "y" * 200, "\x1b[31mred"])
    lines = str(found).splitlines()
    assert "b\\nb" in lines
    assert any(line.startswith("tab\\there ") for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert max(map(len, lines)) < 120


def test_a_repr_is_one_line() -> None:
    assert repr(PLAIN[0]).startswith("Summary(3 classes, 4 terms, log-likelihood -")
    assert repr(PLAIN[1]).startswith("MarginalEffects(3 columns, 3 classes, averaged over the rows)")


def test_a_result_is_frozen() -> None:
    with pytest.raises(AttributeError):
        PLAIN[0].level = 0.5  # type: ignore[misc]


@pytest.mark.parametrize("result", PLAIN, ids=["summary", "effects"])
def test_a_table_becomes_a_frame_with_the_same_columns(result: Any) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    table = result.table
    for frame, kind in [(table.to_pandas(), pandas.DataFrame), (table.to_polars(), polars.DataFrame)]:
        assert isinstance(frame, kind)
        assert list(frame.columns) == list(table)
        for name in table:
            assert frame[name].to_list() == table[name].tolist()


def test_a_tables_columns_are_arrays_of_one_length() -> None:
    table = PLAIN[0].table
    assert list(table) == ["class", "term", "estimate", "std_error", "z", "p_value", "low", "high"]
    assert {len(table[name]) for name in table} == {table.n_rows} == {8}
    assert table["class"].tolist() == ["high"] * 4 + ["middle"] * 4
    np.testing.assert_allclose(table["std_error"] ** 2, np.diagonal(PLAIN[0].covariance), rtol=1e-14)
    assert repr(Table({"a": np.zeros(2)})) == "Table(2 rows: a)"


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_package_that_is_missing_is_named_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=f"needs {name}, which is not installed: pip install {name}") as error:
        getattr(PLAIN[0].table, f"to_{name}")()
    assert isinstance(error.value, ImportError)
