"""No view has a serious fault that axe-core finds, light or dark: contrast, names, roles."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers.browsing import DESK, Visit, needs_browser, visited
from playwright.sync_api import Browser, expect

pytestmark = needs_browser


def faults(visit: Visit, where: str) -> list[str]:
    """Return what axe-core calls serious or critical on the page as it is now."""
    violations: list[dict[str, Any]] = Axe().run(visit.page).response["violations"]
    return [
        f"{where}: {violation['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_fault(browser: Browser, real_app: str, scheme: Any):
    with visited(browser, real_app, viewport=DESK, color_scheme=scheme) as visit:
        page = visit.page
        visit.open("?forget=dog,dgo")
        for panel in ("Settings", "Model: pocket", "Pictures"):
            page.get_by_role("button", name=panel).first.click()
        found = []
        for tab in page.get_by_role("tab").all_inner_texts():
            visit.tab(tab)
            found += faults(visit, tab)
        assert not found, "\n".join(found)


def test_a_chart_tells_its_numbers(browser: Browser, real_app: str):
    with visited(browser, real_app, viewport=DESK) as visit:
        visit.open("?forget=dog")
        expect(visit.page.get_by_role("img", name="CCUP: dog 0")).to_be_visible()
