"""Writes djpeg/: what libjpeg-turbo makes of the JPEGs of ../../testdata/golden at 1/8 of their size.

Each file has a PGM for each component, one behind the other, or only one for the luma where libturbojpeg does not know
the sampling. Luma is that of djpeg, and the others are those of libturbojpeg, before they are made larger.

    python3 djpeg.py     # with djpeg and libturbojpeg of libjpeg-turbo 2.1.5 (Debian 12)
"""

import ctypes
import glob
import os
import shutil
import subprocess

turbo = ctypes.CDLL("libturbojpeg.so.0")
turbo.tjInitDecompress.restype = ctypes.c_void_p
handle = ctypes.c_void_p(turbo.tjInitDecompress())


def djpeg(file, *options):
    return subprocess.run(["djpeg", "-scale", "1/8", "-pnm", *options], input=file, capture_output=True, check=True).stdout


def pgm(width, height, samples):
    return b"P5\n%d %d\n255\n%s" % (width, height, samples)


def planes(file):
    """The planes of a YCbCr file, or none."""
    length = ctypes.c_ulong(len(file))
    width, height, sampling, colours = (ctypes.c_int() for _ in range(4))
    if turbo.tjDecompressHeader3(handle, file, length, ctypes.byref(width), ctypes.byref(height), ctypes.byref(sampling),
                                 ctypes.byref(colours)) or colours.value != 1:
        return []
    across, down = (width.value + 7) // 8, (height.value + 7) // 8
    sizes = [(turbo.tjPlaneWidth(i, across, sampling), turbo.tjPlaneHeight(i, down, sampling)) for i in range(3)]
    samples = [ctypes.create_string_buffer(w * h) for w, h in sizes]
    pointers = (ctypes.c_void_p * 3)(*map(ctypes.addressof, samples))
    if turbo.tjDecompressToYUVPlanes(handle, file, length, pointers, across, None, down, 0):
        return []
    return [pgm(w, h, s.raw) for (w, h), s in zip(sizes, samples)]


os.chdir(os.path.dirname(os.path.abspath(__file__)))
shutil.rmtree("djpeg", ignore_errors=True)
os.makedirs("djpeg")
for name in sorted(glob.glob("../../testdata/golden/*.jpg")):
    base = os.path.basename(name)
    if base.startswith(("cmyk", "ycck", "tiny", "narrow", "rgb")):  # not gray for djpeg, or never decoded at 1/8
        continue
    with open(name, "rb") as f:
        file = f.read()
    with open(f"djpeg/{base}.pgm", "wb") as f:
        f.write(djpeg(file, "-grayscale") + b"".join(planes(file)[1:]))
