"""MIR-67 to MIR-72: the page in a real browser. Nothing is downloaded: chromium and its driver are Debian's."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from axe_selenium_python import Axe
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.mirror.showcase import browser, build, serving
from tests.mirror.site import Site
from tests.mirror.test_runs import is_copying, slow, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

WIDE, HIGH = 1200, 1000


@pytest.fixture(scope="module")
def shown_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an invented site, and its directory."""
    place = tmp_path_factory.mktemp("shown")
    config = build(place, time.time())
    with serving(config, place / "state") as address:
        yield address, place


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser(WIDE, HIGH) as driver:
        yield driver


def addresses(place: Path) -> list[str]:
    run = sorted(os.listdir(place / "state/jobs/epel/runs"))[-1]
    return ["", "?state=held", "job/debian", "job/epel", "job/kali", f"job/epel/run/{run}",
            f"job/epel/run/{run}/log", "login", "nothing"]  # fmt: skip


def complaints(driver: Chrome) -> list[str]:
    """What the browser says: refused scripts and styles, errors, requests that failed."""
    return [entry["message"] for entry in driver.get_log("browser") if "status of 404" not in entry["message"]]  # type: ignore[no-untyped-call]


#: Rules of WCAG 2.1 A and AA, and what axe holds for good practice.
_RULES = """
const done = arguments[arguments.length - 1];
const tags = ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"];
axe.run(document, {runOnly: {type: "tag", values: tags}}).then(
  (found) => done(found.violations.map((item) => item.id + ": " + item.nodes[0].html.slice(0, 200))),
  (error) => done([String(error)]));
"""


def violations(driver: Chrome) -> list[str]:
    """The rules of accessibility that the page breaks, each with the first place."""
    Axe(driver).inject()
    found: list[str] = driver.execute_async_script(_RULES)
    return found


def test_mir_67_nothing_serious_for_axe_and_the_policy(shown_site: tuple[str, Path], chrome: Chrome) -> None:
    """No rule of accessibility is broken, nothing is against our own policy, no other host is asked."""
    address, place = shown_site
    for path in addresses(place):
        for width in (WIDE, 320):
            metrics = {"width": width, "height": HIGH, "deviceScaleFactor": 1, "mobile": width < 500}
            chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            for scheme in ("light", "dark"):
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                chrome.get(address + path)
                bad = violations(chrome)
                assert not bad, (path, width, scheme, bad)
            wide = chrome.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, (path, wide)
            names = chrome.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
            assert all(name.startswith(address) for name in names), names
        assert complaints(chrome) == []
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_mir_68_the_same_without_a_script(shown_site: tuple[str, Path], chrome: Chrome) -> None:
    address, _place = shown_site

    def words(path: str) -> list[str]:
        chrome.get(address + path)
        text = chrome.find_element(By.ID, "content").text
        return [line for line in text.splitlines() if not re.search(r"\d (s|min|h|d)\b|%|/s", line)]

    for path in ("", "job/epel", "job/kali", "?sort=size&dir=down"):
        with_script = words(path)
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            assert words(path) == with_script
        finally:
            chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_mir_69_keyboard_only(shown_site: tuple[str, Path], chrome: Chrome) -> None:
    """The first key leads behind the navigation; each link and field is reached, and one sees where one is."""
    address, _place = shown_site
    chrome.get(address)
    body = chrome.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert chrome.switch_to.active_element.get_attribute("class") == "skip"
    seen = []
    for _ in range(80):
        active = chrome.switch_to.active_element
        if active.tag_name == "body":
            break
        seen.append(active.get_attribute("href") or active.get_attribute("name"))
        outline = chrome.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline not in ("none", ""), active.text
        active.send_keys(Keys.TAB)
    assert f"{address}job/epel" in seen and "q" in seen and f"{address}?state=held" in seen
    chrome.get(address)
    chrome.find_element(By.ID, "filter").send_keys("deb")
    rows = [row for row in chrome.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]
    assert len(rows) == 1
    chrome.find_element(By.ID, "filter").send_keys(Keys.ENTER)
    wait_for(lambda: "q=deb" in chrome.current_url)
    assert len(chrome.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1


def test_mir_70_korean(shown_site: tuple[str, Path]) -> None:
    address, _place = shown_site
    with browser(WIDE, HIGH, language="ko") as driver:
        driver.get(address)
        assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ko"
        assert driver.find_element(By.TAG_NAME, "h1").text == "미러 8개 중 7개가 최신입니다"
        driver.find_element(By.LINK_TEXT, "English").click()
        assert driver.find_element(By.TAG_NAME, "h1").text == "7 of 8 mirrors are up to date"
        driver.find_element(By.LINK_TEXT, "epel").click()
        assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


def follow(driver: Chrome, act: Callable[[], object]) -> None:
    """Send a form, and wait for the page that answers it."""
    driver.execute_script("window.old = true")
    act()

    def has_come() -> bool:
        try:
            return bool(driver.execute_script("return !window.old && document.readyState === 'complete'"))
        except WebDriverException:
            # Between two pages there is nothing to ask.
            return False

    wait_for(has_come)


def test_mir_71_live_progress_and_control(site: Site, chrome: Chrome) -> None:
    """Progress moves and never falls; an operator starts, stops, pauses and resumes with forms."""
    slow(site, 8 << 20)
    text = f'[server]\nlisten = ["127.0.0.1:0"]\ntokens_file = "{site.root}/tokens.toml"\n' + site.file.read_text()
    site.write(text.replace('every = "6h"', "manual = true"))
    token = site.run("token", "add", "su", "--role", "operator").strip()
    assert "su  operator" in site.run("token", "list")
    server = site.start("serve")
    try:
        wait_for(lambda: (site.state / "server.json").exists())
        address = site.json("status")["server"]["addresses"][0]
        chrome.get(address + "login")
        follow(chrome, lambda: chrome.find_element(By.ID, "token").send_keys("nonsense", Keys.ENTER))
        assert "not known" in chrome.page_source
        follow(chrome, lambda: chrome.find_element(By.ID, "token").send_keys(token, Keys.ENTER))
        assert chrome.current_url == address + "admin"
        follow(chrome, chrome.find_element(By.CSS_SELECTOR, "button[aria-label='Start: one']").click)
        wait_for(lambda: is_copying(site))
        chrome.get(address + "job/one")
        bar = chrome.find_element(By.CSS_SELECTOR, "main progress")
        shares: list[float] = []
        texts: set[str] = set()
        end = time.monotonic() + 60
        while len(set(shares)) < 4 and time.monotonic() < end:
            value = bar.get_attribute("value")
            if value is not None:
                shares.append(float(value))
            texts.add(chrome.find_element(By.CSS_SELECTOR, "[data-live='one:note']").text)
            time.sleep(0.1)
        assert len(set(shares)) >= 4 and shares == sorted(shares) and len(texts) > 2
        follow(chrome, chrome.find_element(By.CSS_SELECTOR, "button.danger").click)
        wait_for(lambda: site.runs()[0]["result"] == "cancelled")
        chrome.get(address + "job/one")
        chrome.find_element(By.NAME, "why").send_keys("moving disks")
        follow(chrome, chrome.find_element(By.CSS_SELECTOR, "button[aria-label='Pause: one']").click)
        assert "Paused by su: moving disks" in chrome.find_element(By.ID, "content").text
        follow(chrome, chrome.find_element(By.CSS_SELECTOR, "button[aria-label='Resume: one']").click)
        assert "moving disks" not in chrome.find_element(By.ID, "content").text
        chrome.get(address + "events")
        assert "moving disks" in chrome.find_element(By.TAG_NAME, "table").text
        follow(chrome, chrome.find_element(By.CSS_SELECTOR, "nav form button").click)
        assert chrome.find_elements(By.LINK_TEXT, "Log in")
        assert complaints(chrome) == [] or all("403" in line for line in complaints(chrome))
    finally:
        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=60)[0].decode()
    assert "Traceback" not in output, output


def test_mir_72_a_release_with_a_typed_number(site: Site, chrome: Chrome) -> None:
    site.job(more="manual = true\n")
    text = site.file.read_text().replace('every = "6h"\n', "")
    site.write(f'[server]\nlisten = ["127.0.0.1:0"]\ntokens_file = "{site.root}/tokens.toml"\n' + text)
    token = site.run("token", "add", "su", "--role", "operator").strip()
    site.run("run", "one")
    for number in range(25):
        (site.root / f"src/d{number // 10}/f{number}").unlink()
    site.run("run", "one", code=25)
    held = site.status()["hold"]["deletions"]
    server = site.start("serve")
    try:
        wait_for(lambda: (site.state / "server.json").exists())
        address = site.json("status")["server"]["addresses"][0]
        chrome.get(address + "login")
        follow(chrome, lambda: chrome.find_element(By.ID, "token").send_keys(token, Keys.ENTER))
        assert chrome.current_url == address + "admin"
        chrome.get(address + "job/one")
        summary = chrome.find_element(By.TAG_NAME, "summary")
        summary.click()
        assert "d0/f0" in chrome.find_element(By.CSS_SELECTOR, ".names").text
        follow(chrome, lambda: chrome.find_element(By.NAME, "deletes").send_keys("1", Keys.ENTER))
        assert "The number does not match" in chrome.page_source
        chrome.get(address + "job/one")
        follow(chrome, lambda: chrome.find_element(By.NAME, "deletes").send_keys(str(held), Keys.ENTER))
        assert _tickets(site) == 1
        follow(chrome, chrome.find_element(By.CSS_SELECTOR, "button[aria-label='Start: one']").click)
        wait_for(lambda: site.runs()[0]["result"] == "success")
        assert site.runs()[0]["deleted"] == held
    finally:
        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=60)[0].decode()
    assert "Traceback" not in output, output


def _tickets(site: Site) -> int:
    with contextlib.closing(sqlite3.connect(site.state / "state.db")) as database:
        return int(database.execute("SELECT count(*) FROM ticket").fetchone()[0])


def test_the_script_is_small_and_asks_nobody_else() -> None:
    from tain.mirror.web import kit

    place = os.path.dirname(kit.__file__) + "/assets/live.js"
    with open(place) as file:
        text = file.read()
    assert len(text.splitlines()) < 200
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?:", text)
