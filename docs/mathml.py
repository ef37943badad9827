"""Formulas as MathML, which browsers draw without scripts."""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.logging import getLogger

_logger = getLogger(__name__)


def mathml(formula, *, as_block=False):
    """Convert LaTeX to MathML; short fractions such as ``\\tfrac12`` get the braces that docutils needs."""
    return tex2mathml(re.sub(r"\\t?frac\s*(\d)(\d)", r"\\frac{\1}{\2}", formula), as_block=as_block)


def _visit(writer, node, *, as_block):
    try:
        drawn = mathml(node.astext(), as_block=as_block)
    except MathError as error:
        _logger.warning("a formula cannot be read: %s", error, location=node)
        drawn = html.escape(node.astext())
    writer.body.append(f'<div class="formula">{drawn}</div>' if as_block else drawn)
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda writer, node: _visit(writer, node, as_block=False), None),
        block_renderers=(lambda writer, node: _visit(writer, node, as_block=True), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
