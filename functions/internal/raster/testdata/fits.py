"""Writes fits/: an image, and what Pillow makes of it for every fit and gravity.

fits/wide.png and fits/tall.png are the images. fits/NAME_FIT_GRAVITY_WIDTHxHEIGHT.png is one of them resampled with
Lanczos from all of its pixels: as ImageOps.fit, ImageOps.pad, ImageOps.contain and Image.resize have it.

    python3 fits.py     # with Pillow 13.0.0
"""

import math
import os

from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__)) + "/fits"
LANCZOS = Image.Resampling.LANCZOS
BACKGROUND = (255, 136, 0)
GRAVITIES = {
    "northwest": (0, 0), "north": (0.5, 0), "northeast": (1, 0),
    "west": (0, 0.5), "center": (0.5, 0.5), "east": (1, 0.5),
    "southwest": (0, 1), "south": (0.5, 1), "southeast": (1, 1),
}


def scene(width, height):
    """A picture without symmetry, smooth but for some edges."""
    m = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            u, v = x / width, y / height
            color = [40 + 180 * u, 30 + 190 * v, 120 + 80 * math.sin(9 * u + 5 * v)]
            if (u - 0.3) ** 2 + (v - 0.35) ** 2 < 0.03:
                color = [230, 60, 40]
            if abs(v - 0.75) < 0.06 and u > 0.4:
                color = [30, 210, 90]
            m.putpixel((x, y), tuple(round(c) for c in color))
    return m


def save(m, name):
    m.save(f"{here}/{name}.png", optimize=True)


os.makedirs(here, exist_ok=True)
for name, size in (("wide", (96, 55)), ("tall", (50, 90))):
    image = scene(*size)
    save(image, name)
    for box in ((24, 24), (40, 16), (15, 33)):
        label = f"{box[0]}x{box[1]}"
        save(image.resize(box, LANCZOS), f"{name}_fill_center_{label}")
        save(ImageOps.contain(image, box, LANCZOS), f"{name}_inside_center_{label}")
        for gravity, centering in GRAVITIES.items():
            save(ImageOps.fit(image, box, LANCZOS, centering=centering), f"{name}_cover_{gravity}_{label}")
            save(ImageOps.pad(image, box, LANCZOS, color=BACKGROUND, centering=centering), f"{name}_contain_{gravity}_{label}")
    box = (120, 110)  # larger than the image
    save(ImageOps.fit(image, box, LANCZOS), f"{name}_cover_center_{box[0]}x{box[1]}")
    save(image.resize(box, LANCZOS), f"{name}_fill_center_{box[0]}x{box[1]}")
