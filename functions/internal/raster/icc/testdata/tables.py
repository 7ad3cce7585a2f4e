"""Writes tables.txt: the sRGB that littlecms makes of colours in the profiles of lookup tables beside it, which it
writes, too, as *.lut.

Each line is the name of a profile, levels from 0 to 255 of the pixel (1, 3 or 4), and the sRGB that it becomes.

    /usr/bin/python3 tables.py     # with Pillow 9.4.0, littlecms 2.14
"""

import io
import itertools
import os
import random
import struct

from PIL import Image, ImageCms

os.chdir(os.path.dirname(os.path.abspath(__file__)))
random.seed(7)


def fixed(*values):
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def padded(b):
    return b + b"\0" * (-len(b) % 4)


def curv(*samples):
    return b"curv\0\0\0\0" + struct.pack(">I", len(samples)) + b"".join(struct.pack(">H", s) for s in samples)


def para(kind, *parameters):
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*parameters)


def profile(space, connection, version, tags):
    tags = {"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249), **tags}
    start = 128 + 4 + 12 * len(tags)
    directory, body = b"", b""
    for name, content in tags.items():
        directory += name.encode() + struct.pack(">II", start + len(body), len(content))
        body += padded(content)
    header = struct.pack(">I4sI4s4s4s12s4s28s12s48s", start + len(body), b"", version << 24, b"prtr", space.encode(),
                         connection.encode(), b"", b"acsp", b"", fixed(0.9642, 1, 0.8249), b"")
    return header + struct.pack(">I", len(tags)) + directory + body


def lab_of(xyz):
    def f(t):
        return t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29
    x, y, z = (f(v / w) for v, w in zip(xyz, (0.9642, 1, 0.8249)))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def rgb_to_xyz(r, g, b):
    r, g, b = (0.02 + 0.98 * v ** 1.9 for v in (r, g, b))
    return (0.52 * r + 0.29 * g + 0.15 * b, 0.25 * r + 0.68 * g + 0.07 * b, 0.01 * r + 0.06 * g + 0.74 * b)


def cmyk_to_xyz(c, m, y, k):
    k = 1 - 0.95 * k
    r, g, b = ((1 - 0.9 * c) * (1 - 0.1 * m) * k, (1 - 0.8 * m) * (1 - 0.25 * c) * k, (1 - 0.85 * y) * (1 - 0.2 * m) * k)
    return rgb_to_xyz(r, g, b)


def gray_to_xyz(v):
    light = 0.01 + 0.97 * v ** 2.3
    return 0.9642 * light, light, 0.8249 * light


MODELS = {"RGB ": (3, rgb_to_xyz), "CMYK": (4, cmyk_to_xyz), "GRAY": (1, gray_to_xyz)}


def clamp(v, top):
    return max(0, min(top, round(v)))


def encoded(xyz, connection, legacy, top):
    """A colour as the samples of a table, 0 to top."""
    if connection == "XYZ ":
        return [clamp(v * 32768 / 65535 * top, top) for v in xyz]
    lightness, a, b = lab_of(xyz)
    scale = 65280 / 65535 if legacy else 1
    return [clamp(v * scale * top, top) for v in (lightness / 100, (a + 128) / 255, (b + 128) / 255)]


def grid(space, connection, points, legacy, top, bend):
    n, model = MODELS[space]
    for at in itertools.product(*(range(p) for p in points)):
        v = [bend(i / (p - 1)) for i, p in zip(at, points)]
        yield from encoded(model(*v), connection, legacy, top)


IDENTITY = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)


def lut8(space, connection, points, exponent=1.0, matrix=IDENTITY):
    n, _ = MODELS[space]
    curve = bytes(clamp(255 * (i / 255) ** exponent, 255) for i in range(256))
    out = bytes(clamp(255 * (i / 255) ** 1.05, 255) for i in range(256))
    table = bytes(grid(space, connection, [points] * n, False, 255, lambda v: v ** (1 / exponent)))
    return b"mft1\0\0\0\0" + bytes([n, 3, points, 0]) + matrix + curve * n + table + out + bytes(range(256)) * 2


def lut16(space, connection, points, entries=17, exponent=1.0, matrix=IDENTITY):
    n, _ = MODELS[space]
    curve = b"".join(struct.pack(">H", clamp(65535 * (i / (entries - 1)) ** exponent, 65535)) for i in range(entries))
    table = b"".join(struct.pack(">H", v) for v in
                     grid(space, connection, [points] * n, True, 65535, lambda v: v ** (1 / exponent)))
    return (b"mft2\0\0\0\0" + bytes([n, 3, points, 0]) + matrix + struct.pack(">HH", entries, 2) +
            curve * n + table + struct.pack(">HH", 0, 65535) * 3)


def a_to_b(space, connection, a=None, points=None, precision=2, m=None, matrix=None, b=None):
    n, _ = MODELS[space]
    body, offsets = b"", {}

    def add(name, content):
        nonlocal body
        if content is not None:
            offsets[name] = 32 + len(body)
            body += padded(content)

    add("b", b"".join(padded(c) for c in b or [curv()] * 3))
    add("matrix", matrix)
    add("m", m and b"".join(padded(c) for c in m))
    if points:
        top = 255 if precision == 1 else 65535
        samples = grid(space, connection, points, False, top, lambda v: v)
        samples = bytes(samples) if precision == 1 else b"".join(struct.pack(">H", v) for v in samples)
        add("clut", bytes(points).ljust(16, b"\0") + bytes([precision, 0, 0, 0]) + samples)
    add("a", a and b"".join(padded(c) for c in a))
    order = "b", "matrix", "m", "clut", "a"
    return b"mAB \0\0\0\0" + bytes([n, 3, 0, 0]) + struct.pack(">5I", *(offsets.get(o, 0) for o in order)) + body


SRGB = 0.43607, 0.38515, 0.14307, 0.22249, 0.71687, 0.06061, 0.01392, 0.09708, 0.71410
HALF = fixed(*(v / 2 * 65536 / 65535 for v in SRGB), 0.001, 0, 0.002)
CURVE = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

PROFILES = {
    "rgb8": profile("RGB ", "Lab ", 2, {"A2B0": lut8("RGB ", "Lab ", 9)}),
    "rgb8-bent": profile("RGB ", "Lab ", 4, {"A2B0": lut8("RGB ", "Lab ", 6, 1.4)}),
    "rgb16": profile("RGB ", "Lab ", 2, {"A2B0": lut16("RGB ", "Lab ", 6, 33, 0.8)}),
    "rgb16-xyz": profile("RGB ", "XYZ ", 2, {"A2B0": lut16("RGB ", "XYZ ", 8)}),
    "rgb16-matrix": profile("RGB ", "Lab ", 2, {"A2B0": lut16("RGB ", "Lab ", 5, 9, 1.1, fixed(
        0.9, 0.1, 0, 0.05, 0.9, 0.05, 0, 0.1, 0.9))}),
    "rgb-colorimetric": profile("RGB ", "Lab ", 2, {"A2B0": lut16("RGB ", "Lab ", 2), "A2B1": lut16("RGB ", "Lab ", 7)}),
    "cmyk8": profile("CMYK", "Lab ", 2, {"A2B0": lut8("CMYK", "Lab ", 4)}),
    "cmyk16": profile("CMYK", "Lab ", 2, {"A2B0": lut16("CMYK", "Lab ", 4, 5, 1.3)}),
    "gray8": profile("GRAY", "Lab ", 2, {"A2B0": lut8("GRAY", "Lab ", 17)}),
    "gray16": profile("GRAY", "XYZ ", 2, {"A2B0": lut16("GRAY", "XYZ ", 33)}),
    "rgb-ab": profile("RGB ", "Lab ", 4, {"A2B0": a_to_b(
        "RGB ", "Lab ", [para(0, 1.2), curv(300), para(4, 1.1, 0.9, 0.05, 0.8, 0.1, 0.01, 0.002)], [7, 5, 6])}),
    "rgb-ab-matrix": profile("RGB ", "XYZ ", 4, {"A2B0": a_to_b("RGB ", "XYZ ", m=[CURVE] * 3, matrix=HALF)}),
    "rgb-ab-all": profile("RGB ", "XYZ ", 4, {"A2B0": a_to_b(
        "RGB ", "XYZ ", [curv(0, 20000, 65535)] * 3, [8, 8, 8], 1,
        [para(1, 1.1, 0.95, 0.02), para(2, 1.05, 0.9, 0.03, 0.01), curv(*range(0, 65536, 4369))],
        fixed(0.95, 0.03, 0, 0.02, 0.96, 0, 0, 0.01, 0.98, 0.002, -0.001, 0.003), [para(0, 1.02)] * 3)}),
    "cmyk-ab": profile("CMYK", "Lab ", 4, {"A2B0": a_to_b("CMYK", "Lab ", [para(0, 1.1)] * 4, [5, 3, 3, 4])}),
}

MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}

with open("tables.txt", "w") as out:
    for name, content in PROFILES.items():
        with open(name + ".lut", "wb") as f:
            f.write(content)
        space = content[16:20].decode()
        n, _ = MODELS[space]
        colours = list(itertools.product((0, 128, 255), repeat=n)) if n < 4 else []
        colours += [tuple(random.randrange(256) for _ in range(n)) for _ in range(40)]
        transform = ImageCms.buildTransform(io.BytesIO(content), ImageCms.createProfile("sRGB"), MODES[space], "RGB",
                                            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.FLAGS["NOTPRECALC"])  # NOOPTIMIZE of littlecms
        image = Image.new(MODES[space], (len(colours), 1))
        image.putdata(colours if n > 1 else [v for v, in colours])
        for colour, becomes in zip(colours, ImageCms.applyTransform(image, transform).getdata()):
            print(name, *colour, *becomes, file=out)
