"""The parts of the front end that need no page, as modules in Chromium; tests/widgets has them in node."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.browser


def test_the_pure_parts(page):
    """Also where node is not installed, so that they are tested everywhere."""

    def answer(route):
        path = ROOT / route.request.url.removeprefix("http://rcviz.test/")
        kind = "text/javascript" if path.suffix == ".js" else "text/html"
        body = path.read_text() if path.suffix == ".js" else "<!doctype html><title>tests</title>"
        route.fulfill(status=200, content_type=kind, body=body)

    page.route("http://rcviz.test/**", answer)
    page.goto("http://rcviz.test/page")
    result = page.evaluate("import('http://rcviz.test/tests/javascript/pure.test.js').then((tests) => tests.run())")
    assert result["failures"] == []
    assert result["number"] >= 15
