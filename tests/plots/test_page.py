"""Pages are whole and harmless."""

import pandas as pd

from rcviz.plots import page
from rcviz.plots._axes import new_figure

EVIL = "<img src=x onerror=alert(1)>"


def test_every_text_is_escaped():
    figure = new_figure(2, 2)
    figure.add_subplot().set_title(EVIL)
    parts = [
        page.heading(EVIL),
        page.paragraph(EVIL),
        page.picture(figure, EVIL),
        page.table(pd.DataFrame({EVIL: [EVIL]})),
    ]
    html = page.html_page(EVIL, parts)
    assert "<img" not in html
    assert html.count("&lt;img") >= 7


def test_numbers_are_rounded_to_the_digits_asked_for():
    table = page.table(pd.DataFrame({"x": [0.1234, 6.004e-7, 12.345]}), digits=3)
    assert all(f"{text}<" in table for text in ("0.123", "6e-07", "12.3"))


def test_a_missing_number_is_an_empty_cell():
    table = page.table(pd.DataFrame({"x": [0.5, float("nan")]}))
    assert table.count("<td>") == 2
    assert "<td></td>" in table
