"""The HTML report: one file, no network, what it shows is what the report holds; in a browser, where there is one."""

from __future__ import annotations

import base64
import builtins
import gzip
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import EAST, RAMP, WEST, WSE2, State, f16, f32, toy
from wse_sim.hardware.states import GROUPS
from wse_sim.program.builder import Builder
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

pytest.importorskip("plotly", reason="the extra `html` is not installed")

from wse_sim.report.webpage import page


def relay(width: int = 5, height: int = 3) -> tuple[Report, Recording]:
    """Each row's first PE sends east; a buffer that only the last column has."""
    build = Builder(width, height, name="relay <b>&</b>")
    red, grid = build.color("red"), build.grid
    x, y = build.buffer("x", f32, 9, init=2.0), build.buffer("y", f16, 30, on=grid[-1, :])
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1:-1, :], WEST >> (RAMP | EAST))
    build.route(red, grid[-1, :], WEST >> RAMP)
    with build.section("layer 0"), build.section("relay"):
        build.main(grid[0, :]).mov(red, x)
        build.main(grid[1:, :]).mov(x, red)
        build.main(grid[-1, :]).mac(y, y, 2.0)
    machine = Machine(build.finish(), toy(width, height), trace=Trace())
    machine.launch()
    machine.launch()
    return machine.report(), machine.recording()


@pytest.fixture(scope="module")
def run() -> tuple[Report, Recording]:
    return relay()


class Reader(HTMLParser):
    """Text by element id, tags and their addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.packed: dict[str, str] = {}
        self.addresses: list[str] = []
        self.options: list[str] = []
        self.text = ""
        self._into: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        self._into = given.get("id") if given.get("type") == "application/gzip" else None
        if tag == "option":
            self._into = "option"

    def handle_data(self, data: str) -> None:
        if self._into == "option":
            self.options.append(data)
        elif self._into is not None:
            self.packed[self._into] = data
        else:
            self.text += data
        self._into = None

    def data(self) -> dict[str, Any]:
        unpacked: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(self.packed["data"])))
        return unpacked


# -- what it holds ------------------------------------------------------------------------------------


def test_the_page_is_alone(run: tuple[Report, Recording]) -> None:
    text = page(*run)
    reader = Reader(text)
    assert reader.addresses == ["data:,"], "the empty icon; nothing is loaded from anywhere"
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(", text)
    assert len(text) < 5e6
    library = gzip.decompress(base64.b64decode(reader.packed["library"])).decode()
    assert "plotly.js v" in library[:200]


def test_names_are_text_not_markup(run: tuple[Report, Recording]) -> None:
    text = page(*run)
    assert "relay <b>" not in text
    assert "relay &lt;b&gt;&amp;&lt;/b&gt; on toy" in text


def test_quantities_are_the_counts_of_the_report(run: tuple[Report, Recording]) -> None:
    report, _ = run
    reader = Reader(page(report))
    data = reader.data()
    found = {q["name"]: np.array(q["values"]).reshape(report.height, report.width) for q in data["quantities"]}
    assert reader.options == [f"{q['name']}, {q['unit']}" for q in data["quantities"]]
    assert np.array_equal(found["busy"], report.states[..., list(GROUPS["busy"])].sum(axis=-1))
    for state in State:
        assert (state.name in found) == report.states[..., state].any()
        if state.name in found:
            assert np.array_equal(found[state.name], report.states[..., state])
    assert np.array_equal(found["link to the EAST"], report.links.wavelets[..., EAST])
    assert "link to the SOUTH" not in found, "no wavelet went there"
    assert np.array_equal(found["SRAM in use"], report.sram.peak)
    assert np.array_equal(found["arithmetic"], report.work.operations)
    buffers = {b["name"]: b for b in data["buffers"]}
    assert buffers["y"] == {"name": "y", "type": "f16", "bytes": 60, "columns": [4, 5, 1], "rows": [0, 3, 1]}


def test_figures_are_drawn_from_the_report(run: tuple[Report, Recording]) -> None:
    report, recording = run
    figures = Reader(page(report, recording)).data()["figures"]
    assert set(figures) == {"wafer", "kernels", "phases", "launches", "timeline"}
    bars = figures["kernels"]["data"]
    assert sum(sum(_numbers(bar["x"])) for bar in bars) == pytest.approx(report.cycles)
    assert figures["kernels"]["layout"]["xaxis"]["title"]["text"] == "cycles, on an average PE"
    assert list(_numbers(figures["launches"]["data"][0]["y"])) == list(report.launches)
    rows = figures["timeline"]["layout"]["meta"]["rows"]
    assert (rows[0], rows[-1], len(rows)) == ("(0, 0)", "(4, 2)", 15)


def _numbers(values: Any) -> list[float]:
    """Plotly writes arrays as lists, or as bytes in letters."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return list(values)


def test_tables_and_provenance_are_there(run: tuple[Report, Recording]) -> None:
    report, recording = run
    text = Reader(page(report)).text
    for part in (
        "Busiest links", "Colours", "Buffers", f"{report.cycles}", report.provenance.program_hash,
        *report.explain().splitlines(), *report.assumed,
    ):  # fmt: skip
        assert part in text
    assert recording.describe() not in text
    assert recording.describe() in Reader(page(report, recording)).text


def test_a_large_wafer_is_shown_in_tiles() -> None:
    report, _ = relay(30, 20)
    data = Reader(page(report, cells=40)).data()
    tiled = report.tiled_to(40)
    assert data["tile"] == tiled.tile == 4
    busy = next(q for q in data["quantities"] if q["name"] == "busy")
    assert sum(busy["values"]) == report.states[..., list(GROUPS["busy"])].sum()
    assert data["cell_cycles"] == tiled.cell_cycles.ravel().tolist()


def test_a_full_wafer_stays_under_five_megabytes(run: tuple[Report, Recording]) -> None:
    """Counts as different from PE to PE as can be, in the tiles of a page."""
    report, recording = run
    rng = np.random.default_rng(0)
    tile, rows, columns = 7, -(-WSE2.height // 7), -(-WSE2.width // 7)
    cells = rows * columns

    def counts(*shape: int) -> Any:
        return rng.integers(0, 10**6, (rows, columns, *shape))

    full = replace(
        report, width=WSE2.width, height=WSE2.height, tile=tile, states=counts(len(State)), wafer=WSE2,
        links=replace(report.links, wavelets=counts(4), blocked=counts(4), injected=counts(), delivered=counts()),
        sram=replace(report.sram, read=counts(), written=counts(), peak=counts()),
        work=replace(report.work, elements=counts(), operations=counts()),
    )  # fmt: skip
    text = page(full, recording)
    assert Reader(text).data()["tile"] == tile
    assert cells > 15_000
    assert len(text.encode()) < 5e6


def test_without_plotly_the_error_says_what_to_install(
    run: tuple[Report, Recording], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def missing(name: str, *given: Any, **options: Any) -> Any:
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *given, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"needs plotly, which is not installed; .* pip install 'wse-sim\[html\]'"):
        run[0].to_html(tmp_path / "out.html")


# -- in a browser -------------------------------------------------------------------------------------

@pytest.fixture
def browser() -> Any:
    """Headless Chromium that cannot resolve any name, and keeps a log of what it asks for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def test_the_page_works_in_a_browser_without_network(
    run: tuple[Report, Recording], browser: Any, tmp_path: Path
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    report, recording = run
    browser.get(report.to_html(tmp_path / "out.html", recording=recording).as_uri())
    wait = WebDriverWait(browser, 60)
    wait.until(lambda b: b.find_element(By.TAG_NAME, "body").get_attribute("data-ready") == "yes")
    assert browser.find_elements(By.CSS_SELECTOR, "#wafer .heatmaplayer image")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#kernels .bars .point path")) > 1

    middle = browser.find_element(By.CSS_SELECTOR, "#wafer .nsewdrag")
    ActionChains(browser).move_to_element(middle).perform()
    detail = browser.find_element(By.ID, "detail")
    wait.until(lambda _: detail.text.startswith("PE (2, 1)"))
    moved = int(report.states[1, 2, State.MOVE])
    assert f"{100 * moved / report.cycles:.1f} %" in detail.text
    assert f"{report.links.wavelets[1, 2, EAST]} wavelets" in detail.text
    assert "x (f32)" in detail.text
    assert "y (f16)" not in detail.text, "only the last column has it"

    quantity = Select(browser.find_element(By.ID, "quantity"))
    quantity.select_by_visible_text("link to the EAST, wavelets")
    shown = "return [...document.getElementById('wafer').data[0].z].map((row) => [...row])"
    wait.until(lambda b: b.execute_script(shown) == report.links.wavelets[..., EAST].tolist())
    title = browser.execute_script("return document.getElementById('wafer').layout.xaxis.title.text")
    assert title == "PE, x (east)"

    timeline = browser.find_element(By.CSS_SELECTOR, "#timeline .nsewdrag")
    ActionChains(browser).scroll_to_element(timeline).move_to_element(timeline).perform()
    moment = browser.find_element(By.ID, "moment")
    wait.until(lambda _: re.fullmatch(r"cycle \d+, PE \(2, 1\): [A-Z_]+", moment.text))

    assert browser.get_log("browser") == [], "no message in the console"
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert browser.get_screenshot_as_png()[:4] == b"\x89PNG"
