"""The report in a real browser: by mouse, by keyboard, without scripts, on a phone, on paper, and read aloud."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_pages import HOSTILE, clothes, crowd, hostile, tumours
from softreg.report import Report

pytestmark = pytest.mark.slow

KEPT = Path(__file__).parent.parent.parent / "build" / "browser"  # for people to look at
MAKERS = {"clothes": clothes, "tumours": tumours, "hostile": hostile, "crowd": crowd}
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1100, "height": 900}},
    "dark": {"viewport": {"width": 1100, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 400, "height": 800}},
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Report, Path]]:
    KEPT.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("reports")
    made = {}
    for name, make in MAKERS.items():
        report = make()
        report.save(folder / f"{name}.html")
        made[name] = report, folder / f"{name}.html"
    return made


@contextmanager
def opened(browser: Any, path: Path, **settings: Any) -> Iterator[Any]:
    """Open the file; at the end there must have been no word on the console and no request but for the file."""
    context = browser.new_context(**{**VIEWS["light"], **settings})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith("data:image/png;")] == [path.as_uri()]
    context.close()


def found(page: Any) -> str:
    """What is said of the chosen images, without the marks that keep names from turning the text around."""
    return str(page.locator("#found").inner_text()).translate({0x2068: None, 0x2069: None})


@pytest.fixture
def clothes_page(browser: Any, reports: dict[str, tuple[Report, Path]]) -> Iterator[tuple[Any, Report]]:
    report, path = reports["clothes"]
    with opened(browser, path) as page:
        yield page, report


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("view", VIEWS)
def test_it_opens_fits_the_window_and_asks_for_nothing(browser: Any, reports: Any, name: str, view: str) -> None:
    with opened(browser, reports[name][1], **VIEWS[view]) as page:
        page.screenshot(path=KEPT / f"{name}-{view}.png", full_page=True)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= VIEWS[view]["viewport"]["width"]
        assert page.evaluate("document.documentElement.scrollHeight") > 3000
        text, background = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        light, dark = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (background, text))
        assert (light > dark) == (view != "dark")


@pytest.mark.parametrize("name", MAKERS)
def test_what_was_drawn_has_colours_of_the_scheme(browser: Any, reports: Any, name: str) -> None:
    strokes = []
    for view in ("light", "dark"):
        with opened(browser, reports[name][1], **VIEWS[view]) as page:
            lines = "[...document.querySelectorAll('svg path')].map(e => getComputedStyle(e).stroke)"
            strokes.append({stroke for stroke in page.evaluate(lines) if stroke.startswith("rgb")})
    light, dark = strokes
    assert len(light) >= 3
    assert not light & dark


def test_images_are_in_the_page(clothes_page: tuple[Any, Report]) -> None:
    page, report = clothes_page
    shots = page.locator("#predictions .shot")
    assert shots.count() == len(report.samples) + len(report.mistakes)
    style = shots.nth(17).evaluate("e => [getComputedStyle(e).backgroundImage.slice(0, 15), e.clientWidth]")
    assert style == ['url("data:image', 84]
    loaded = "[...document.images].map(i => i.complete && i.naturalWidth)"
    assert page.evaluate(loaded) == [28] * 10


# --- tables ----------------------------------------------------------------------------------------------------------


def column(page: Any, number: int) -> list[str]:
    texts: list[str] = page.locator(f"#by-class tbody tr > :nth-child({number})").all_inner_texts()
    return texts


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(clothes_page: tuple[Any, Report]) -> None:
    page, report = clothes_page
    before = column(page, 1)
    assert before == [str(label) for label in report.fit.classes]
    heading = page.locator("#by-class thead th", has_text="recall")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    recall = report.evaluation.by_class.recall[0]
    largest_first = [before[k] for k in np.argsort(-recall, kind="stable")]
    assert column(page, 1) == largest_first
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    first = column(page, 1)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") is None, "the third click puts them as they were"
    assert column(page, 1) == before != first
    heading.locator("button").click()
    heading.locator("button").click()
    assert [float(text.split()[0].rstrip("%\u202f")) for text in column(page, 4)] == sorted(
        float(f"{100 * value:.1f}") for value in recall
    )


def test_headings_sort_by_keyboard_and_words_go_by_the_alphabet(clothes_page: tuple[Any, Report]) -> None:
    page, _ = clothes_page
    heading = page.locator("#by-class thead th").first
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, 1) == sorted(column(page, 1))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") is None
    assert page.locator("#by-class thead th").nth(1).get_attribute("aria-sort") == "descending"


# --- images of a class or a cell -------------------------------------------------------------------------------------


def shown(page: Any) -> set[tuple[str, str]]:
    cards = page.locator("#gallery .card").all()
    return {(card.locator(".true").inner_text(), card.locator(".said").inner_text().lstrip("✓✗")) for card in cards}


def a_mistake(report: Report) -> tuple[int, int, int]:
    off = report.evaluation.confusion * (1 - np.eye(10, dtype=int))
    i, j = divmod(int(off.argmax()), 10)
    return i, j, int(off[i, j])


def test_a_cell_of_the_matrix_shows_its_images(clothes_page: tuple[Any, Report]) -> None:
    page, report = clothes_page
    i, j, count = a_mistake(report)
    true, said = report.fit.classes[i], report.fit.classes[j]
    page.locator(f'#confusion td[data-c="{i},{j}"] button').click()
    assert shown(page) == {(true, said)}
    assert found(page).startswith(f"{count} images of {true} taken for {said}")
    assert page.locator("#true").input_value() == str(i)
    assert page.locator(f'#confusion td[data-c="{i},{j}"] button').get_attribute("aria-pressed") == "true"
    assert page.locator('#confusion button[aria-pressed="true"]').count() == 1


def test_the_matrix_is_one_stop_of_the_tab_key_and_arrows_go_on(clothes_page: tuple[Any, Report]) -> None:
    page, report = clothes_page
    page.locator('#confusion td[data-c="0,0"] button').focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "End", "Home", "ArrowRight", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    true, said = report.fit.classes[2], report.fit.classes[1]
    count = report.evaluation.confusion[2, 1]
    assert (page.locator("#true").input_value(), page.locator("#said").input_value()) == ("2", "1")
    assert f"of {true} taken for {said}" in found(page)
    assert page.locator("#gallery .card").count() == min(count, 12)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "true"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.parentElement.dataset.c") == "2,1"


def test_a_class_is_chosen_from_the_list_and_more_of_it_is_shown(clothes_page: tuple[Any, Report]) -> None:
    page, report = clothes_page
    page.locator("#wrong").click()
    page.locator("#true").select_option(label="shirt")
    k = report.fit.classes.index("shirt")
    assert {true for true, _ in shown(page)} == {"shirt"}
    kept = sum(one.true == k for one in report.kinds)
    assert page.locator("#gallery .card").count() == min(28, kept)
    while page.locator("#more").is_visible():
        page.locator("#more").focus()
        page.keyboard.press("Enter")
    assert page.locator("#gallery .card").count() == kept
    page.locator("#wrong").focus()
    page.keyboard.press("Space")
    assert ("shirt", "shirt") not in shown(page)


def test_a_class_of_the_table_leads_to_its_images(clothes_page: tuple[Any, Report]) -> None:
    page, _ = clothes_page
    page.get_by_role("button", name="sandal: show its images").click()
    assert {true for true, _ in shown(page)} == {"sandal"}
    assert page.evaluate("document.activeElement.id") == "true"


# --- the threshold ---------------------------------------------------------------------------------------------------


def test_the_threshold_moves_coverage_and_risk_by_keyboard_and_mouse(clothes_page: tuple[Any, Report]) -> None:
    page, report = clothes_page
    assert report.trust is not None
    slider = page.locator("#threshold")

    def agrees(at: int) -> None:
        assert report.trust is not None
        one = report.trust.thresholds[at]
        assert page.locator("#at").inner_text() == f"{at}\u202f%"
        assert page.locator("#coverage").inner_text() == f"{100 * one.coverage:.1f}\u202f%"
        assert page.locator("#risk").inner_text() == f"{100 * (one.risk or 0):.1f}\u202f%"
        assert page.locator("#left").inner_text().split()[0] == f"{report.trust.held_out.judged - one.answered:,}"

    agrees(80)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    agrees(79)
    page.keyboard.press("Home")
    agrees(0)
    start = page.locator("#risk-dot").get_attribute("cx")
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] * 0.6, "y": box["height"] / 2})
    at = int(slider.input_value())
    assert 55 <= at <= 65
    agrees(at)
    assert page.locator("#risk-dot").get_attribute("cx") != start


def test_the_dot_lies_on_the_curve(clothes_page: tuple[Any, Report]) -> None:
    page, _ = clothes_page
    page.locator("#threshold").fill("0")
    curve = "[...document.querySelectorAll('#risk-figure path')].find(e => e.style.strokeWidth === '1.8')"
    length = f"{curve}.getTotalLength()"
    end = page.evaluate(f"(p => [p.x, p.y])({curve}.getPointAtLength(0))")
    far = page.evaluate(f"(p => [p.x, p.y])({curve}.getPointAtLength({length}))")
    dot = page.evaluate("['cx', 'cy'].map(name => +document.querySelector('#risk-dot').getAttribute(name))")
    assert min(np.hypot(*(np.array(dot) - at)) for at in (end, far)) < 1


# --- without scripts, on paper, read aloud ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_without_scripts_everything_but_the_controls_is_there(browser: Any, reports: Any, name: str) -> None:
    report, path = reports[name]
    with opened(browser, path, java_script_enabled=False) as page:
        page.screenshot(path=KEPT / f"{name}-without-scripts.png", full_page=True)
        assert page.locator("button:visible, input:visible, select:visible, .scripted:visible").count() == 0
        assert page.locator("section h2:visible").count() >= 6
        assert page.locator("#predictions .card:visible").count() == len(report.samples) + len(report.mistakes)
        cells = len(report.fit.classes) ** 2 if len(report.fit.classes) <= 40 else 0
        assert page.locator("#confusion td[data-c]:visible").count() == cells
        assert page.locator("svg[role=img]:visible").count() == 6
        numbers = page.locator("#confusion td[data-c]").all_inner_texts()
        if cells:
            assert [int(text.replace(",", "")) for text in numbers] == report.evaluation.confusion.ravel().tolist()


def test_on_paper_it_is_light_and_has_no_controls(browser: Any, reports: Any) -> None:
    with opened(browser, reports["clothes"][1], **VIEWS["dark"]) as page:
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("#explorer:visible, #slider:visible, nav:visible").count() == 0
        page.pdf(path=KEPT / "clothes.pdf", format="A4", print_background=False)
    assert (KEPT / "clothes.pdf").stat().st_size > 50_000


@pytest.mark.parametrize("view", ["light", "dark"])
@pytest.mark.parametrize("name", MAKERS)
def test_axe_finds_nothing_serious(browser: Any, reports: Any, axe: str, name: str, view: str) -> None:
    with opened(browser, reports[name][1], bypass_csp=True, **VIEWS[view]) as page:
        page.evaluate(axe + ";0")
        for details in page.locator("details").all():
            details.evaluate("e => e.open = true")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        (KEPT / f"{name}-{view}-axe.json").write_text(json.dumps(found["violations"], indent=1))
        assert len(found["passes"]) > 20
        assert [
            (one["id"], one["impact"], [node["target"] for node in one["nodes"]][:5]) for one in found["violations"]
        ] == []


# --- very many classes, called by numbers, and rows with weights ------------------------------------------------------


def test_classes_that_are_numbers_are_sorted_as_numbers(browser: Any, reports: Any) -> None:
    with opened(browser, reports["crowd"][1]) as page:
        page.locator("#by-class thead button").first.click()
        assert column(page, 1) == [str(k) for k in range(1, 61)]
        page.locator("#by-class thead button").first.click()
        assert column(page, 1) == [str(k) for k in range(60, 0, -1)]


def test_without_a_matrix_a_class_and_what_it_is_taken_for_can_still_be_chosen(browser: Any, reports: Any) -> None:
    report, path = reports["crowd"]
    with opened(browser, path) as page:
        assert page.locator("#confusion").count() == 0
        true, said, count = next(kind for kind in report.counts if kind[0] != kind[1])
        page.locator("#by-class th[data-k] button").nth(true).click()
        rows = sum(n for k, _, n in report.counts if k == true)
        assert found(page).startswith(f"{rows} rows of {true + 1}"), "rows are counted, whatever their weights"
        page.locator("#said").select_option(index=said + 1)
        assert found(page).startswith(f"{count} row{'s' * (count > 1)} of {true + 1} taken for {said + 1}")
        assert page.locator("#gallery .card").count() == min(count, 12)
        assert "kinds of mistake" in page.locator("#classes").inner_text()
        assert "The other 38 classes" in page.locator("#weights").inner_text()


# --- hostile names ---------------------------------------------------------------------------------------------------


def test_names_that_are_markup_show_as_text_and_run_nowhere(browser: Any, reports: Any) -> None:
    report, path = reports["hostile"]
    with opened(browser, path) as page:
        for button in page.locator("#confusion button").all():
            button.click()
        for button in page.locator("thead button").all():
            button.click()
        assert page.evaluate("window.hurt") is None
        assert page.locator("script").count() == 2
        assert page.locator("img[src=x], b.hurt").count() == 0
        for name in HOSTILE:
            assert page.get_by_text(name, exact=True).count() > 0, name
        classes = json.loads(page.locator("#data").inner_text())["classes"]
        assert classes == [str(label) for label in report.fit.classes]
        assert page.locator("h1").inner_text() == f"{HOSTILE[0]} on {HOSTILE[1]}"


def test_a_script_that_got_in_would_not_run(browser: Any, reports: Any, tmp_path: Path) -> None:
    text = reports["clothes"][1].read_text()
    changed = text.replace("<main>", "<main><script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'>")
    (tmp_path / "changed.html").write_text(changed)
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "changed.html").as_uri())
    assert page.evaluate("window.hurt") is None
    assert page.locator("#confusion button").count() == 100
    context.close()


def test_a_notebook_shows_it_in_a_frame_of_its_own(browser: Any, reports: Any, tmp_path: Path) -> None:
    report, _ = reports["clothes"]
    page_of_others = (
        f"<!doctype html><title>x</title><style>p {{ color: red }}</style>{report._repr_html_()}<p>after</p>"
    )
    (tmp_path / "notebook.html").write_text(page_of_others)
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "notebook.html").as_uri())
    frame = page.frame_locator("iframe")
    assert frame.locator("h1").inner_text() == "clothes on the sample's test images"
    frame.locator("#threshold").fill("50")
    assert frame.locator("#at").inner_text() == "50\u202f%"
    assert page.evaluate("getComputedStyle(document.querySelector('p')).color") == "rgb(255, 0, 0)"
    context.close()
