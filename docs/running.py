"""Run the Python code of a page when the site is built, and show its output and its pictures.

All ``{run}`` blocks of a page share one namespace. A block shows the figures that are open at its end, or the figure or
SVG text of its last line, for light and for dark pages (with ``:same:`` unchanged on both); ``:alt:`` describes them.
An explorer as the last line is in the page itself, as ``to_html`` writes it. The build fails when code fails, when a
picture has no description, and when two entries of a legend look the same in grey.
"""

import ast
import html
import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import ClassVar

import looks
from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib.figure import Figure
from sphinx.util.docutils import SphinxDirective

from rcviz.plots._axes import figure_svg
from rcviz.widgets.explorer import Explorer


class Run(SphinxDirective):
    has_content = True
    option_spec: ClassVar = {"alt": directives.unchanged_required, "same": directives.flag}
    pictures: ClassVar = None  # the folder of the site's images

    def run(self):
        self.env.note_reread()  # the output depends on more than this page
        code = "\n".join(self.content)
        namespace = self.env.temp_data.setdefault("run", {"__name__": "__page__"})
        try:
            printed, drawn = execute(code, self.env.docname, namespace)
        except Exception as error:
            raise self.error(f"{type(error).__name__}: {error}") from error
        shown = [nodes.literal_block(code, code, language="python")]
        if printed:
            shown.append(nodes.literal_block(printed, printed, language="text", classes=["run-output"]))
        live = [one for one in drawn if isinstance(one, Explorer)]
        drawn = [one for one in drawn if one not in live]
        if drawn and "alt" not in self.options:
            raise self.error("a picture needs a description: add :alt:")
        for picture in drawn:
            alike = [] if isinstance(picture, str) else looks.alike_in_grey(picture)
            if alike:
                raise self.error(
                    f"in grey, {alike[0][0]!r} looks like {alike[0][1]!r}: change a marker, a line or a lightness"
                )
            shown.append(self._picture(picture if isinstance(picture, str) else figure_svg(picture)))
        return shown + [self._live(explorer) for explorer in live]

    def _live(self, explorer):
        explorer._about = {**explorer._about, "documentation": "../" * self.env.docname.count("/")}
        parts = explorer.html_parts(f"-{self.env.new_serialno('live')}")
        explorer.close()
        return nodes.raw("", "\n".join(parts), format="html")

    def _picture(self, svg):
        name = f"{self.env.docname.replace('/', '-')}-{self.env.new_serialno('run')}"
        up = "../" * self.env.docname.count("/")
        self.pictures.mkdir(parents=True, exist_ok=True)
        images = ""
        for theme, text in (("light", svg), ("dark", svg if "same" in self.options else looks.dark(svg))):
            (self.pictures / f"{name}-{theme}.svg").write_text(text)
            images += (
                f'<img class="drawn only-{theme}" src="{up}_images/{name}-{theme}.svg" loading="lazy" '
                f'alt="{html.escape(self.options["alt"])}">'
            )
        return nodes.raw("", f"<p>{images}</p>", format="html")


class thumbnails(nodes.Element):  # noqa: N801 - nodes of docutils have such names
    """Stands for small pictures of all sections of its page, which lead to them."""


class Thumbnails(SphinxDirective):
    """A grid of the first picture of each section that has no sections of its own."""

    def run(self):
        return [thumbnails()]


def fill_thumbnails(app, doctree):
    """Put the pictures that the page's code has drawn into its grid, with the sections' titles."""
    for place in list(doctree.findall(thumbnails)):
        tiles = ""
        for section in doctree.findall(nodes.section):
            if any(isinstance(part, nodes.section) for part in section.children):
                continue
            shown = [part.astext() for part in section.findall(nodes.raw)]
            picture = next((part for part in shown if 'class="drawn' in part), None)
            if picture is None and any("rcviz-explorer" in part for part in shown):
                picture = '<img class="drawn" src="../_images/filter_explorer.png">'
            if picture is None:
                continue
            title = html.escape(section.next_node(nodes.title).astext())
            images = re.sub(r' alt="[^"]*"', ' alt=""', "".join(re.findall(r"<img[^>]*>", picture)))
            tiles += f'<a href="#{section["ids"][0]}">{images}<span>{title}</span></a>'
        place.replace_self(nodes.raw("", f'<div class="thumbnails">{tiles}</div>', format="html"))


def execute(code, name, namespace):
    """Run code as a cell of a notebook; return its printed text, and its figures, SVG texts and explorers."""
    import matplotlib.pyplot as plt  # noqa: TID251 - notebooks show its open figures

    *lines, last = ast.parse(code).body
    printed, value = io.StringIO(), None
    try:
        with redirect_stdout(printed):
            exec(compile(ast.Module(lines, []), name, "exec"), namespace)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
            else:
                exec(compile(ast.Module([last], []), name, "exec"), namespace)
        drawn = [plt.figure(number) for number in plt.get_fignums()]
    finally:
        plt.close("all")
    if (
        isinstance(value, Explorer)
        or (isinstance(value, Figure) and value not in drawn)
        or (isinstance(value, str) and value.startswith("<svg"))
    ):
        drawn.append(value)
    return printed.getvalue().rstrip(), drawn


def setup(app):
    import matplotlib
    import torch

    matplotlib.use("Agg")
    torch.set_num_threads(1)  # the networks are small, and a build shares its machine
    Run.pictures = Path(app.outdir) / "_images"
    app.add_directive("run", Run)
    app.add_node(thumbnails)
    app.add_directive("thumbnails", Thumbnails)
    app.connect("doctree-read", fill_thumbnails)
    return {"parallel_read_safe": False}
