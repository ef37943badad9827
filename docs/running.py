"""Python on the site's pages is run when the site is built, and shown with what it prints and draws.

A page is one namespace, from its top to its end. ``{run}`` shows the figures that are open when its lines have run, or
the figure or SVG text that its last line gives, for light and for dark pages; ``:alt:`` says what is on them. Code that
fails, a picture without words and one that is lost in grey fail the build.
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


class Run(SphinxDirective):
    has_content = True
    option_spec: ClassVar = {"alt": directives.unchanged_required}
    pictures: ClassVar = None  # the folder of the site's images

    def run(self):
        self.env.note_reread()  # what the code gives depends on more than this page
        code = "\n".join(self.content)
        namespace = self.env.temp_data.setdefault("run", {"__name__": "__page__"})
        try:
            printed, drawn = execute(code, self.env.docname, namespace)
        except Exception as error:
            raise self.error(f"{type(error).__name__}: {error}") from error
        shown = [nodes.literal_block(code, code, language="python")]
        if printed:
            shown.append(nodes.literal_block(printed, printed, language="text", classes=["run-output"]))
        if drawn and "alt" not in self.options:
            raise self.error("a picture needs words for those who do not see it: add :alt:")
        for picture in drawn:
            alike = [] if isinstance(picture, str) else looks.alike_in_grey(picture)
            if alike:
                raise self.error(f"in grey, nobody can tell {alike[0][0]!r} from {alike[0][1]!r}")
            shown.append(self._picture(picture if isinstance(picture, str) else figure_svg(picture)))
        return shown

    def _picture(self, svg):
        name = f"{self.env.docname.replace('/', '-')}-{self.env.new_serialno('run')}"
        up = "../" * self.env.docname.count("/")
        self.pictures.mkdir(parents=True, exist_ok=True)
        images = ""
        for theme, text in (("light", svg), ("dark", looks.dark(svg))):
            (self.pictures / f"{name}-{theme}.svg").write_text(text)
            images += (
                f'<img class="drawn only-{theme}" src="{up}_images/{name}-{theme}.svg" loading="lazy" '
                f'alt="{html.escape(self.options["alt"])}">'
            )
        return nodes.raw("", f"<p>{images}</p>", format="html")


def execute(code, name, namespace):
    """Run lines as a notebook's cell; return what they print, and figures and SVG texts."""
    import matplotlib.pyplot as plt  # noqa: TID251 - its open figures are what a notebook shows

    *lines, last = ast.parse(code).body
    printed, given = io.StringIO(), None
    try:
        with redirect_stdout(printed):
            exec(compile(ast.Module(lines, []), name, "exec"), namespace)
            if isinstance(last, ast.Expr):
                given = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
            else:
                exec(compile(ast.Module([last], []), name, "exec"), namespace)
        drawn = [plt.figure(number) for number in plt.get_fignums()]
    finally:
        plt.close("all")
    if (isinstance(given, Figure) and given not in drawn) or (isinstance(given, str) and given.startswith("<svg")):
        drawn.append(given)
    return printed.getvalue().rstrip(), drawn


def setup(app):
    import matplotlib
    import torch

    matplotlib.use("Agg")
    torch.set_num_threads(1)  # the networks are small, and a build shares its machine
    Run.pictures = Path(app.outdir) / "_images"
    app.add_directive("run", Run)
    return {"parallel_read_safe": False}
