"""Writes golden/: small images of every kind, and what Pillow makes of them; and tiles/: JPEGs to make larger ones of.

A file golden/NAME.EXT is an image. golden/want/NAME.EXT.png is it upright, in sRGB, and resampled with Lanczos over
premultiplied alpha from all of its pixels to fit 24x24.

The files in tiles/ are one row of units of interleaved components high.

    python3 golden.py     # with Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0, littlecms 2.19), numpy 2.4.6,
                          # and cjpeg of libjpeg-turbo 2.1.5 (Debian 12)
"""

import io
import os
import shutil
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
profiles = {name: open(f"{here}/../icc/testdata/{name}.icc", "rb").read() for name in ("p3", "adobe", "prophoto", "gray")}
BOX = 24, 24


def scene(width, height):
    """A picture without symmetry, smooth but for some edges, as floats from 0 to 1: red, green, blue, alpha."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    red = 0.15 + 0.8 * x * (0.5 + 0.5 * np.cos(5 * y))
    green = 0.1 + 0.75 * y * (0.6 + 0.4 * np.sin(7 * x))
    blue = 0.2 + 0.6 * (1 - x) * (1 - y) + 0.15 * np.sin(9 * (x + y)) ** 2
    disc = (x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.04
    bar = (np.abs(y - 0.75) < 0.06) & (x > 0.4)
    red, green, blue = np.where(disc, 0.9, red), np.where(disc, 0.2, green), np.where(disc, 0.15, blue)
    red, green, blue = np.where(bar, 0.1, red), np.where(bar, 0.85, green), np.where(bar, 0.3, blue)
    mean = (red + green + blue) / 3  # towards which colours are muted, so that few are beyond what sRGB can show
    red, green, blue = mean + 0.6 * (red - mean), mean + 0.6 * (green - mean), mean + 0.6 * (blue - mean)
    alpha = np.clip(1.6 - 1.7 * x * y - 0.9 * (disc & (x < 0.3)), 0, 1)
    return np.clip(np.dstack([red, green, blue, alpha]), 0, 1)


def levels(floats, depth=8):
    return np.round(floats * (2**depth - 1)).astype(np.uint16)


def rgb(width, height):
    return Image.fromarray(levels(scene(width, height)[..., :3]).astype(np.uint8))


def rgba(width, height):
    return Image.fromarray(levels(scene(width, height)).astype(np.uint8))


def gray(width, height):
    return scene(width, height)[..., :3] @ [0.3, 0.6, 0.1]


def save(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(name, payload):
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png(samples, depth, colours, *chunks, interlaced=False):
    """A PNG of samples[row, column, channel], each row filtered by Sub or Up, whichever its number says."""
    samples = samples.reshape(samples.shape[0], samples.shape[1], -1)
    height, width, channels = samples.shape
    before = max(1, channels * depth // 8)

    def rows(part):
        data, above = b"", None
        for y, row in enumerate(part):
            if depth == 16:
                row = row.astype(">u2").tobytes()
            elif depth == 8:
                row = row.astype(np.uint8).tobytes()
            else:
                bits = (row.reshape(-1, 1) >> np.arange(depth)[::-1]) & 1
                row = np.packbits(bits.astype(np.uint8)).tobytes()
            row = np.frombuffer(row, np.uint8)
            if y % 2 and depth >= 8:
                data += b"\2" + (row - above).tobytes()
            elif depth >= 8:
                data += b"\1" + (row - np.concatenate([np.zeros(before, np.uint8), row[:-before]])).tobytes()
            else:
                data += b"\0" + row.tobytes()
            above = row
        return data

    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b"".join(rows(samples[y::down, x::right]) for x, y, right, down in passes if samples[y::down, x::right].size)
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks,
                     chunk(b"IDAT", zlib.compress(data, 9)), chunk(b"IEND", b"")])


def exif(orientation):
    tags = Image.Exif()
    tags[0x112] = orientation
    return tags


def turned(image, orientation):
    """How an image is stored for a viewer to turn it."""
    back = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}
    return image.transpose(back[orientation]) if orientation > 1 else image


def cjpeg(image, *options):
    return subprocess.run(["cjpeg", "-quality", "85", *options], input=save(image, "PPM"), capture_output=True,
                          check=True).stdout


def cmyk(width, height):
    colours = levels(scene(width, height)[..., :3]).astype(np.int32)
    black = np.minimum(colours.max(axis=2) + 40, 255)
    inks = 255 - np.dstack([np.minimum(colours * 255 // black[..., None], 255), black])
    return Image.fromarray(inks.astype(np.uint8), "CMYK")


def ycck(width, height):
    """As libjpeg has it: black is inverted, the inks are not. Pillow writes the inverse of what it is given."""
    inks = np.asarray(cmyk(width, height))
    colours = np.asarray(Image.fromarray(np.ascontiguousarray(inks[..., :3])).convert("YCbCr"))
    file = bytearray(save(Image.fromarray(np.dstack([255 - colours, inks[..., 3]]), "CMYK"), "JPEG", quality=90))
    file[file.index(b"Adobe") + 11] = 2
    return bytes(file)


def without_adobe(file):
    at = file.index(b"\xff\xee\x00\x0eAdobe")
    return file[:at] + file[at + 16:]


def files():
    for o in range(1, 9):
        image = turned(rgb(56, 36), o)
        yield f"orientation-{o}.jpg", save(image, "JPEG", quality=85, exif=exif(o))
        yield f"orientation-{o}.png", png(np.asarray(image) >> 4 << 4, 8, 2, chunk(b"eXIf", exif(o).tobytes()[6:]))
        yield f"orientation-{o}.webp", save(image, "WEBP", quality=85, exif=exif(o))

    photo, odd = rgb(128, 96), rgb(125, 93)
    for name, sampling in {"444": "1x1", "422": "2x1", "420": "2x2", "440": "1x2", "411": "4x1", "410": "4x2"}.items():
        yield f"baseline-{name}.jpg", cjpeg(photo, "-sample", sampling)
        yield f"progressive-{name}-odd.jpg", cjpeg(odd, "-sample", sampling, "-progressive")
    yield "restart-420-odd.jpg", cjpeg(odd, "-sample", "2x2", "-restart", "3B")
    yield "restart-444-rows.jpg", cjpeg(photo, "-sample", "1x1", "-restart", "1")
    yield "restart-progressive.jpg", cjpeg(odd, "-sample", "2x1", "-progressive", "-restart", "5B")
    yield "gray.jpg", cjpeg(photo, "-grayscale")
    yield "gray-progressive-odd.jpg", cjpeg(odd, "-grayscale", "-progressive")
    yield "quality-30.jpg", cjpeg(odd, "-quality", "30")
    yield "rgb.jpg", save(photo, "JPEG", quality=85, keep_rgb=True)
    yield "tiny.jpg", save(rgb(5, 3), "JPEG", quality=95, subsampling=0)
    yield "narrow.jpg", save(rgb(9, 300), "JPEG", quality=85)
    yield "cmyk-adobe.jpg", save(cmyk(80, 60), "JPEG", quality=90)
    yield "cmyk.jpg", without_adobe(save(cmyk(80, 60), "JPEG", quality=90))
    yield "ycck.jpg", ycck(81, 60)

    for name in ("p3", "adobe", "prophoto"):
        yield f"{name}.jpg", save(photo, "JPEG", quality=85, icc_profile=profiles[name])
    small = rgb(56, 42)
    for name in ("p3", "adobe"):
        yield f"{name}.png", save(small, "PNG", icc_profile=profiles[name])
        yield f"{name}.webp", save(rgb(96, 72), "WEBP", quality=85, icc_profile=profiles[name])
    yield "p3-alpha.png", save(rgba(56, 42), "PNG", icc_profile=profiles["p3"])
    yield "p3-alpha.webp", save(rgba(56, 42), "WEBP", lossless=True, icc_profile=profiles["p3"])
    eight = Image.fromarray(levels(gray(100, 75)).astype(np.uint8))
    yield "gray-profile.jpg", save(eight, "JPEG", quality=85, icc_profile=profiles["gray"])
    yield "gray-profile.png", save(eight, "PNG", icc_profile=profiles["gray"])

    deep = levels(scene(40, 30), 16)
    deep_gray = levels(gray(40, 30), 16)
    both = np.dstack([deep_gray, deep[..., 3]])
    yield "gray-16.png", png(deep_gray, 16, 0)
    yield "gray-alpha-16.png", png(both, 16, 4)
    yield "rgb-16.png", png(deep[..., :3], 16, 2)
    yield "rgba-16.png", png(deep, 16, 6)
    yield "rgba-16-interlaced.png", png(deep, 16, 6, interlaced=True)
    yield "gray-16-key.png", png(deep_gray >> 12 << 12, 16, 0, chunk(b"tRNS", struct.pack(">H", 7 << 12)))

    flat = levels(scene(75, 57))
    yield "rgb-interlaced.png", png(flat[..., :3] >> 3 << 3, 8, 2, interlaced=True)
    yield "rgba.png", png(flat >> 2 << 2, 8, 6)
    yield "gray-alpha-interlaced.png", png(np.dstack([levels(gray(75, 57)), flat[..., 3]]), 8, 4, interlaced=True)
    yield "rgb-key.png", png(flat[..., :3] >> 6 << 6, 8, 2, chunk(b"tRNS", struct.pack(">HHH", 64, 64, 64)))
    for depth in (1, 2, 4, 8):
        samples = levels(gray(75, 57), depth)
        yield f"gray-{depth}.png", png(samples, depth, 0)
        yield f"gray-{depth}-interlaced.png", png(samples, depth, 0, interlaced=True)
        key = int(np.median(samples))
        yield f"gray-{depth}-key.png", png(samples, depth, 0, chunk(b"tRNS", struct.pack(">H", key)))
        palette = rgb(75, 57).quantize(2**depth)
        colours = chunk(b"PLTE", bytes(palette.getpalette()[:3 * 2**depth]))
        alphas = chunk(b"tRNS", bytes(range(0, 256, 256 // 2**depth)))
        indexes = np.asarray(palette).astype(np.uint16)
        yield f"palette-{depth}.png", png(indexes, depth, 3, colours)
        yield f"palette-{depth}-alpha.png", png(indexes, depth, 3, colours, alphas, interlaced=depth in (2, 8))

    drawing = rgb(90, 68).quantize(32)
    yield "plain.gif", save(drawing, "GIF", interlace=0)
    yield "interlaced.gif", save(drawing, "GIF", interlace=1)
    clear = drawing.copy()
    indexes = np.asarray(drawing)
    yield "transparent.gif", save(clear, "GIF", interlace=0, transparency=int(indexes[3, 3]))
    yield "transparent-interlaced.gif", save(clear, "GIF", interlace=1, transparency=int(np.median(indexes)))
    yield "moving.gif", save(drawing, "GIF", save_all=True, append_images=[rgb(90, 68).rotate(180).quantize(16)])

    yield "lossy.webp", save(photo, "WEBP", quality=80)
    yield "lossy-odd.webp", save(odd, "WEBP", quality=60)
    yield "lossy-alpha.webp", save(rgba(100, 75), "WEBP", quality=80)
    yield "lossless.webp", save(rgb(56, 42), "WEBP", lossless=True)
    yield "lossless-alpha.webp", save(rgba(56, 42), "WEBP", lossless=True)
    yield "moving.webp", save(rgba(56, 42), "WEBP", save_all=True, quality=80, append_images=[rgba(56, 42).rotate(180)])


def reference(file):
    """The thumbnail of a file, by Pillow."""
    image = Image.open(io.BytesIO(file))
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    image.load()
    if image.mode == "I;16":  # of which Pillow would make white
        samples = np.asarray(image)
        image = Image.fromarray((samples >> 8).astype(np.uint8))
        if key is not None:
            image.putalpha(Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)))
    elif image.mode == "L" and key is not None and file[:4] == b"\x89PNG":  # which is a sample as it is stored
        image.info["transparency"] = key * 255 // (2 ** file[24] - 1)
    image = ImageOps.exif_transpose(image)
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    alpha = image.convert("RGBA").getchannel("A") if has_alpha else None
    image = image.convert("L" if image.mode in ("L", "LA", "1") else "RGB")
    if profile:
        transform = ImageCms.buildTransform(io.BytesIO(profile), ImageCms.createProfile("sRGB"), image.mode, "RGB",
                                            flags=ImageCms.Flags.NOOPTIMIZE)
        image = ImageCms.applyTransform(image, transform)
        image.info.clear()  # of the profile of sRGB, with its date
    image = image.convert("RGB")
    size = image.copy()
    size.thumbnail(BOX)
    if alpha is None:
        return image.resize(size.size, Image.Resampling.LANCZOS)
    image.putalpha(alpha)
    return image.convert("RGBa").resize(size.size, Image.Resampling.LANCZOS).convert("RGBA")


os.chdir(here)
shutil.rmtree("golden", ignore_errors=True)
os.makedirs("golden/want")
for name, file in files():
    with open(f"golden/{name}", "wb") as f:
        f.write(file)
    reference(file).save(f"golden/want/{name}.png", optimize=True)

os.makedirs("tiles", exist_ok=True)
grain = np.random.default_rng(1).normal(0, 6, (16, 160, 3))
grained = np.clip(np.asarray(rgb(160, 16)) + grain, 0, 255).astype(np.uint8)
for name, height, options in (("baseline", 16, ("-sample", "2x2")), ("progressive", 8, ("-sample", "1x1", "-progressive"))):
    with open(f"tiles/{name}.jpg", "wb") as f:
        f.write(cjpeg(Image.fromarray(grained[:height]), *options))
