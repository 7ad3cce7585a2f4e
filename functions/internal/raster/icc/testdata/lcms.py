"""Writes lcms.txt: the sRGB that littlecms makes of colours in the profiles beside it, which it writes, too.

Each line is the name of a profile, and levels from 0 to 255: of the colour, and what it becomes.

    python3 lcms.py     # with Pillow 13.0.0, littlecms 2.19
"""

import io
import os
import random
import struct

from PIL import Image, ImageCms

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def fixed(*values):
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def xyz(*values):
    return b"XYZ \0\0\0\0" + fixed(*values)


def curv(*samples):
    return b"curv\0\0\0\0" + struct.pack(">I", len(samples)) + b"".join(struct.pack(">H", s) for s in samples)


def gamma(g):
    return curv(round(g * 256))


def para(kind, *parameters):
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*parameters)


def profile(space, connection, version, tags):
    # littlecms wants no description, but the profile's white.
    tags = {"wtpt": xyz(0.9642, 1, 0.8249), **tags}
    start = 128 + 4 + 12 * len(tags)
    directory, body = b"", b""
    for name, content in tags.items():
        directory += name.encode() + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s12s4s28s12s48s", start + len(body), b"", version << 24, b"mntr", space.encode(),
                         connection.encode(), b"", b"acsp", b"", fixed(0.9642, 1, 0.8249), b"")
    return header + struct.pack(">I", len(tags)) + directory + body


def rgb(version, colorants, curves):
    red, green, blue = (xyz(*colorants[i:i + 3]) for i in (0, 3, 6))
    if not isinstance(curves, tuple):
        curves = (curves, curves, curves)
    return profile("RGB ", "XYZ ", version, {
        "rXYZ": red, "gXYZ": green, "bXYZ": blue, "rTRC": curves[0], "gTRC": curves[1], "bTRC": curves[2]})


P3 = 0.51512, 0.24120, -0.00105, 0.29198, 0.69225, 0.04189, 0.15710, 0.06657, 0.78407
ADOBE = 0.60974, 0.31111, 0.01947, 0.20528, 0.62567, 0.06087, 0.14919, 0.06322, 0.74457
PROPHOTO = 0.79767, 0.28804, 0, 0.13519, 0.71188, 0, 0.03134, 0.00009, 0.82491
SRGB = 0.43607, 0.22249, 0.01392, 0.38515, 0.71687, 0.09708, 0.14307, 0.06061, 0.71410

PROFILES = {
    "p3": rgb(4, P3, para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    "adobe": rgb(2, ADOBE, gamma(2.2)),
    "prophoto": rgb(2, PROPHOTO, gamma(1.8)),
    "linear": rgb(2, SRGB, curv()),
    "samples": rgb(2, P3, curv(*(round(65535 * (i / 40) ** 2) for i in range(41)))),
    "formulas": rgb(4, ADOBE, (para(1, 2.2, 1.1, -0.1), para(2, 2, 0.9, 0.02, 0.03),
                               para(4, 2.4, 0.9, 0.05, 0.1, 0.1, 0.05, 0.002))),
    "gray": profile("GRAY", "XYZ ", 2, {"kTRC": gamma(1.8)}),
    "formula-gray": profile("GRAY", "XYZ ", 4, {"kTRC": para(0, 2.2)}),
    "lightness": profile("GRAY", "Lab ", 4, {"kTRC": curv()}),
}

random.seed(1)
steps = 0, 20, 90, 170, 255
colours = [(r, g, b) for r in steps for g in steps for b in steps]
colours += [tuple(random.randrange(256) for _ in range(3)) for _ in range(20)]

with open("lcms.txt", "w") as out:
    for name, content in PROFILES.items():
        with open(name + ".icc", "wb") as f:
            f.write(content)
        mode, own = ("RGB", colours) if b"RGB " in content[:20] else ("L", [(v, v, v) for v in range(0, 256, 5)])
        # Not perceptual, for which littlecms makes the darkest colour black.
        transform = ImageCms.buildTransform(io.BytesIO(content), ImageCms.createProfile("sRGB"), mode, "RGB",
                                            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.NOOPTIMIZE)
        image = Image.new("RGB", (len(own), 1))
        image.putdata(own)
        converted = ImageCms.applyTransform(image.convert(mode), transform)
        for colour, becomes in zip(own, converted.get_flattened_data()):
            print(name, *colour, *becomes, file=out)
