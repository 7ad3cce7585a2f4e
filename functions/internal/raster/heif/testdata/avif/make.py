#!/usr/bin/env python3
"""make.py: makes the files of this directory anew: *.avif by Debian's avifenc (libavif 0.11, libaom 3.6), and *.png, which is
what its avifdec (dav1d 1.0) shows of each, cut, turned and mirrored here as the file's properties say, which avifdec leaves out."""
import os, subprocess, tempfile
import numpy
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))


def scene(width, height):
    """A picture with soft and hard edges, and colours of every hue."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    u, v = x / width, y / height
    rgb = numpy.stack([0.5 + 0.4 * numpy.sin(6 * u - 3 * v), 0.2 + 0.6 * u * v + 0.2 * v, 0.5 + 0.45 * numpy.cos(4 * v + 5 * u)], axis=2)
    for left, top, colour in [(0.1, 0.2, (0.9, 0.15, 0.1)), (0.6, 0.15, (0.15, 0.8, 0.2)), (0.35, 0.6, (0.1, 0.25, 0.9)), (0.75, 0.7, (0.95, 0.9, 0.2))]:
        rgb[int(top * height):int((top + 0.22) * height), int(left * width):int((left + 0.18) * width)] = colour
    return rgb


def save(values, path):
    Image.fromarray(numpy.uint8(numpy.round(values * 255))).save(path)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def show(name, then):
    """What avifdec makes of a file. Of pictures with alpha, package heif takes the nearest chroma sample; otherwise it interpolates.
    Of BT.709, avifdec's blue is only right at 16 bits. Film grain is not applied: its picture is 420_8."""
    path = os.path.join(here, name + ".png")
    source = "420_8" if name == "grain" else name
    run("avifdec", "-d", "16" if "bt709" in name else "8", "-u", "nearest" if "alpha" in name else "bilinear",
        os.path.join(here, source + ".avif"), path)
    image = then(Image.open(path).convert("RGBA" if "alpha" in name or name == "premultiplied" else "RGB"))
    image.info.clear()
    image.save(path, optimize=True)


def encode(name, source, *options, then=lambda image: image):
    target = os.path.join(here, name + ".avif")
    run("avifenc", "-c", "aom", "-s", "6", "-j", "1", "--min", "8", "--max", "24", *options, *source, target)
    show(name, then)


def without_meta(name):
    """Leaves a sequence without its still picture."""
    path = os.path.join(here, name + ".avif")
    with open(path, "rb") as f:
        content = f.read()
    with open(path, "wb") as f:
        f.write(content.replace(b"meta", b"free", 1))


def box(kind, *content):
    body = b"".join(content)
    return (8 + len(body)).to_bytes(4, "big") + kind.encode() + body


def full(kind, *content):
    return box(kind, bytes(4), *content)


def layered(name, stream, width, height, sizes):
    """Makes a file of a stream of package av1's tests, of 8 bits and 4:2:0, whose layers are predicted from one another: this
    avifenc makes none."""
    u16, u32 = (lambda v: v.to_bytes(2, "big")), (lambda v: v.to_bytes(4, "big"))
    with open(os.path.join(here, "..", "..", "..", "av1", "testdata", "streams", stream + ".obu"), "rb") as f:
        data = f.read()
    properties = box("ipco", full("ispe", u32(width), u32(height)), full("pixi", bytes([3, 8, 8, 8])), box("av1C", bytes([0x81, 0, 12, 0])),
                     box("a1lx", bytes(1), *map(u16, sizes)))
    ftyp = box("ftyp", b"avif", bytes(4), b"avifmif1miaf")
    meta = lambda offset: full(
        "meta", full("hdlr", bytes(4), b"pict", bytes(13)), full("pitm", u16(1)),
        full("iloc", bytes([0x44, 0]), u16(1), u16(1), u16(0), u16(1), u32(offset), u32(len(data))),
        full("iinf", u16(1), box("infe", bytes([2, 0, 0, 0]), u16(1), u16(0), b"av01", bytes(1))),
        box("iprp", properties, full("ipma", u32(1), u16(1), bytes([4, 1, 2, 0x83, 4]))))
    with open(os.path.join(here, name + ".avif"), "wb") as f:
        f.write(ftyp + meta(len(ftyp) + len(meta(0)) + 8) + box("mdat", data))
    show(name, lambda image: image)


with tempfile.TemporaryDirectory() as work:
    at = lambda name: os.path.join(work, name + ".png")
    save(scene(128, 96), at("rgb"))
    save(scene(127, 95), at("odd"))
    save(scene(128, 96).mean(axis=2), at("gray"))
    save(scene(192, 128), at("wide"))
    y, x = numpy.mgrid[0:96, 0:128]
    save(numpy.dstack([scene(128, 96), numpy.clip(1.5 - numpy.hypot(x - 64, y - 48) / 40, 0, 1)]), at("clear"))
    for n in range(3):
        moved = numpy.roll(scene(128, 96), 20 * n, axis=1)
        save(moved, at(f"frame{n}"))
        save(numpy.dstack([moved, numpy.clip(1.5 - numpy.hypot(x - 64 - 9 * n, y - 48) / 40, 0, 1)]), at(f"clear{n}"))
    y, x = numpy.mgrid[0:128, 0:192]
    save(numpy.dstack([scene(192, 128), numpy.clip(1.5 - numpy.hypot(x - 80, y - 60) / 60, 0, 1)]), at("wide_clear"))
    rgb = [at("rgb")]
    for chroma in "420", "422", "444":
        for depth in "8", "10", "12":
            encode(chroma + "_" + depth, rgb, "-y", chroma, "-d", depth)
    encode("gray_8", [at("gray")], "-y", "400")
    encode("gray_10", [at("gray")], "-y", "400", "-d", "10")
    encode("odd", [at("odd")], "-y", "420")
    encode("lossless", rgb, "-l")
    encode("bt709_limited", rgb, "-y", "420", "-r", "limited", "--cicp", "1/13/1")
    encode("bt2020_10", rgb, "-y", "444", "-d", "10", "--cicp", "1/13/9")
    encode("limited_12", rgb, "-y", "422", "-d", "12", "-r", "limited")
    encode("alpha", [at("clear")], "-y", "420")
    encode("alpha_10", [at("clear")], "-y", "444", "-d", "10")
    encode("premultiplied", [at("clear")], "-y", "444", "-p")
    encode("grid", [at("wide")], "-y", "420", "-g", "3x2")
    encode("grid_alpha", [at("wide_clear")], "-y", "444", "-g", "3x2")
    encode("tiles", [at("wide")], "-y", "420", "--tilecolslog2", "1", "--tilerowslog2", "1")
    encode("grain", rgb, "-y", "420", "-a", "film-grain-test=1")
    encode("screen", rgb, "-y", "444", "-a", "tune-content=screen")
    encode("turned", rgb, "-y", "420", "--irot", "1", then=lambda m: m.transpose(Image.ROTATE_90))
    encode("mirrored", rgb, "-y", "420", "--irot", "3", "--imir", "1",
           then=lambda m: m.transpose(Image.ROTATE_270).transpose(Image.FLIP_LEFT_RIGHT))
    encode("cut", rgb, "-y", "444", "--crop", "20,10,80,60", then=lambda m: m.crop((20, 10, 100, 70)))
    encode("sequence", [at(f"frame{n}") for n in range(3)], "-y", "420")
    encode("sequence_alpha", [at(f"clear{n}") for n in range(3)], "-y", "420")
    without_meta("sequence_alpha")
    layered("layers", "l_smooth", 128, 88, (100, 50, 50))
