"""The figure of the page on strand-symmetric layers: a neuron and its partner light up together."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def figure(offline, tmp_path, monkeypatch):
    """The figure on a page of its own; returns the page, and a list of what it fetches."""
    monkeypatch.syspath_prepend(DOCS)
    import two_strands

    script, style = ((DOCS / "_static" / name).read_text() for name in ("two_strands.js", "site.css"))
    file = tmp_path / "figure.html"
    file.write_text(f"<!doctype html><style>{style}</style>{two_strands.figure()}<script>{script}</script>")
    return offline(file, 1400, "light")


def lit(page, strand):
    """Which neuron is chosen in a panel, its value, and weight by weight the cells that it reads."""
    panel = page.locator(".two-strands figure").nth(strand)
    chosen = panel.locator(".chosen")
    expect(chosen).to_have_count(1)
    read = panel.locator(".read").evaluate_all(
        "cells => cells.map(cell => [cell.querySelector('.weight').textContent, cell.querySelector('rect').style.fill,"
        " cell.querySelector('.value').textContent]).sort()"
    )
    return chosen.get_attribute("data-at"), chosen.locator(".value").text_content(), read


@pytest.mark.browser
def test_a_neuron_and_its_partner_light_up_by_every_way_of_choosing(figure):
    page, asked = figure

    def partners(own, other):
        (at, value, read), (other_at, other_value, other_read) = lit(page, 0), lit(page, 1)
        assert (at, other_at) == (own, other)
        assert value == other_value
        assert read == other_read  # letters, colours and what they meet
        assert len(read) > 1

    partners("2 0 1", "2 3 2")
    page.locator('.neuron[data-at="2 0 1"]').first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    partners("2 1 2", "2 2 1")
    expect(page.locator('.neuron[data-at="2 1 2"]').first).to_be_focused()
    page.locator("input[type=range]").fill("0")
    partners("2 1 0", "2 2 3")
    page.get_by_role("radio", name="layer 1").check()
    page.get_by_role("combobox").select_option("3")
    partners("1 3 0", "1 0 4")
    # Pointing at the other reading chooses the partner in this one.
    page.locator('.two-strands figure >> nth=1 >> .neuron[data-at="3 2 0"]').hover()
    partners("3 1 0", "3 2 0")
    page.get_by_role("radio", name="dense").check()
    partners("4 0 0", "4 0 0")
    sums = page.locator(".two-strands-said p").all_inner_texts()
    assert len(sums) == 2
    assert sums[0].split(" = ")[1] == sums[1].split(" = ")[1]
    assert asked == [page.url]
