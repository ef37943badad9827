"""Run the Python code of a page when the site is built, and show its output and its pictures.

All ``{run}`` blocks of a page share one namespace. A block shows the figures that are open at its end, or the figure or
SVG text of its last line, for light and for dark pages (with ``:same:`` unchanged on both); ``:alt:`` describes them.
An explorer as the last line is in the page itself, as ``to_html`` writes it. The build fails when code fails, when a
picture has no description, and when two entries of a legend look the same in grey.
"""

import ast
import html
import io
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
    return {"parallel_read_safe": False}
