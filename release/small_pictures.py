"""Make the pictures in notebooks small: a palette of 256 colours takes a third of the bytes, and the wheel holds them.

A picture that it would change visibly, such as a heat map, stays as it is.

python release/small_pictures.py notebooks/01_quickstart.ipynb ...
"""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

COLORS = 256
VISIBLE, MOST = 8, 0.02
"""A change of a pixel that can be seen, of 255, and the largest share of such pixels; edges of letters are fewer."""


def small(picture):
    """Return a PNG with a palette, or the same bytes where that is not smaller."""
    image = Image.open(io.BytesIO(picture))
    if image.mode == "P":
        return picture
    image = image.convert("RGB")
    reduced = image.quantize(COLORS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    changes = np.asarray(ImageChops.difference(image, reduced.convert("RGB"))).max(axis=2)
    if (changes > VISIBLE).mean() > MOST:
        return picture
    file = io.BytesIO()
    reduced.save(file, "PNG", optimize=True)
    return min(picture, file.getvalue(), key=len)


def main():
    for path in map(Path, sys.argv[1:]):
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            for output in cell.get("outputs", ()):
                if picture := output.get("data", {}).get("image/png"):
                    taken = small(base64.b64decode("".join(picture)))
                    output["data"]["image/png"] = base64.b64encode(taken).decode() + "\n"
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
