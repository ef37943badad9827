"""Make the pictures in notebooks small: a palette of 256 colours takes a third of the bytes, and the wheel holds them.

python release/small_pictures.py notebooks/01_quickstart.ipynb ...
"""

import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

COLORS = 256


def small(picture):
    """Return a PNG with a palette, or the same bytes where that is not smaller."""
    image = Image.open(io.BytesIO(picture))
    if image.mode == "P":
        return picture
    file = io.BytesIO()
    image.convert("RGB").quantize(COLORS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        file, "PNG", optimize=True
    )
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
