"""Settings of the documentation site. `make docs` builds it without a network; a warning is an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import site_pages

import rcviz

project = "rcviz"
author = "the rcviz authors"
version = release = rcviz.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "sphinx.ext.viewcode",
    "running",
    "two_strands",
]
root_doc = "index"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["api_examples.md"]  # parts of the pages of the reference
# Tutorials are shown with their saved output.
nb_execution_mode = "off"
nb_merge_streams = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # attributes of several classes have the same name
add_module_names = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"rcviz {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Pages without neighbours have no list at their side.
html_sidebars = {
    page: []
    for page in (
        "paper",
        "performance",
        "glossary",
        "command_line",
        "other_tools",
        "architecture",
        "gallery/index",
        "gallery/print",
        "explorer",
    )
}
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "default",
    "header_links_before_dropdown": 6,
}


def setup(app):
    app.connect("builder-inited", lambda app: site_pages.write(Path(app.srcdir)))
