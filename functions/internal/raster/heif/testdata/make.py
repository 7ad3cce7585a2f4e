#!/usr/bin/env python3
"""make.py: makes the files of this directory anew: *.heic by Debian's heif-enc (libheif 1.15, x265) and ffmpeg, some of them put
together from their pictures here, and *.png, which is what pillow-heif (libheif 1.23, libde265) shows of each."""
import os, struct, subprocess, tempfile
import numpy, pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

here = os.path.dirname(os.path.abspath(__file__))


def scene(width, height):
    """A picture with soft and hard edges, and colours of every hue."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    u, v = x / width, y / height
    rgb = numpy.stack([0.5 + 0.45 * numpy.sin(5 * u + 2 * v), 0.5 + 0.45 * numpy.sin(3 * v - 4 * u + 1), 0.15 + 0.7 * v * (1 - 0.5 * u)], axis=2)
    for cx, cy, r, colour in [(0.25, 0.3, 0.16, (0.95, 0.1, 0.1)), (0.7, 0.25, 0.14, (0.1, 0.9, 0.2)), (0.5, 0.72, 0.2, (0.1, 0.2, 0.95))]:
        rgb[numpy.hypot(x - cx * width, y - cy * height) < r * height] = colour
    rgb[int(height * 0.85):, : width // 4] = (1, 1, 1)
    rgb[int(height * 0.85):, width // 4: width // 2] = (0, 0, 0)
    return rgb


def save8(values, path):
    Image.fromarray(numpy.uint8(numpy.round(values * 255))).save(path)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def encode(path, name, *options):
    run("heif-enc", "-q", "70", "-p", "preset=medium", *options, path, "-o", os.path.join(here, name))


# Boxes (ISO/IEC 14496-12, 23008-12).

def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind, version, flags, *parts):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def children(body):
    while body:
        size, kind = struct.unpack_from(">I4s", body)
        yield kind, body[8:size]
        body = body[size:]


def picture(values, work, *options):
    """The hvcC property of a picture and its data, as heif-enc makes them."""
    source, made = os.path.join(work, "p.png"), os.path.join(work, "p.heic")
    save8(values, source)
    run("heif-enc", "-q", "70", "-p", "preset=medium", *options, source, "-o", made)
    with open(made, "rb") as f:
        top = dict(children(f.read()))
    iprp = dict(children(dict(children(top[b"meta"][4:]))[b"iprp"]))
    return dict(children(iprp[b"ipco"]))[b"hvcC"], top[b"mdat"]


class File:
    """Items and properties that become a file."""

    def __init__(self):
        self.items, self.properties, self.references = [], [], []

    def property(self, content):
        if content not in self.properties:
            self.properties.append(content)
        return self.properties.index(content) + 1

    def item(self, kind, data, *properties, idat=False, hidden=False):
        self.items.append((kind, data, [self.property(p) for p in properties], idat, hidden))
        return len(self.items)

    def refer(self, kind, source, *targets):
        self.references.append(box(kind, struct.pack(">HH", source, len(targets)), *[struct.pack(">H", t) for t in targets]))

    def meta(self, primary, start):
        infes, places, associations, idat = b"", b"", b"", b""
        for n, (kind, data, properties, in_idat, hidden) in enumerate(self.items, 1):
            infes += full(b"infe", 2, int(hidden), struct.pack(">HH", n, 0), kind, b"\0")
            at = len(idat) if in_idat else start
            places += struct.pack(">HHHHII", n, int(in_idat), 0, 1, at, len(data))
            associations += struct.pack(">HB", n, len(properties)) + bytes(properties)
            if in_idat:
                idat += data
            else:
                start += len(data)
        count = len(self.items)
        return full(b"meta", 0, 0, full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)), full(b"pitm", 0, 0, struct.pack(">H", primary)),
                    full(b"iinf", 0, 0, struct.pack(">H", count), infes), full(b"iloc", 1, 0, b"\x44\0", struct.pack(">H", count), places),
                    full(b"iref", 0, 0, *self.references), box(b"iprp", box(b"ipco", *self.properties), full(b"ipma", 0, 0, struct.pack(">I", count), associations)),
                    box(b"idat", idat))

    def save(self, name, primary, meta_last=False):
        ftyp = box(b"ftyp", b"mif1", bytes(4), b"mif1", b"heic")
        data = b"".join(data for _, data, _, in_idat, _ in self.items if not in_idat)
        if meta_last:
            content = ftyp + box(b"mdat", data) + self.meta(primary, len(ftyp) + 8)
        else:
            start = len(ftyp) + len(self.meta(primary, 0)) + 8
            content = ftyp + self.meta(primary, start) + box(b"mdat", data)
        with open(os.path.join(here, name), "wb") as f:
            f.write(content)


def ispe(width, height):
    return full(b"ispe", 0, 0, struct.pack(">II", width, height))


def grid(name, work, width, height, tile, *transformations, thumbnail=None, alpha=False, meta_last=False):
    """A grid as phones write it."""
    columns, rows = -(-width // tile), -(-height // tile)
    whole = scene(width, height)
    padded = numpy.pad(whole, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge")
    file, ids = File(), []
    for row in range(rows):
        for column in range(columns):
            hvcc, data = picture(padded[row * tile:(row + 1) * tile, column * tile:(column + 1) * tile], work)
            ids.append(file.item(b"hvc1", data, box(b"hvcC", hvcc), ispe(tile, tile), hidden=True))
    content = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    primary = file.item(b"grid", content, ispe(width, height), *transformations, idat=True)
    file.refer(b"dimg", primary, *ids)
    if thumbnail:
        small = Image.fromarray(numpy.uint8(numpy.round(whole * 255))).resize(thumbnail, Image.LANCZOS)
        hvcc, data = picture(numpy.asarray(small) / 255, work)
        file.refer(b"thmb", file.item(b"hvc1", data, box(b"hvcC", hvcc), ispe(*thumbnail), *transformations), primary)
    if alpha:
        y, x = numpy.mgrid[0:height // 2, 0:width // 2]
        hvcc, data = picture(numpy.clip(1.4 - 2.0 * numpy.hypot(x / width - 0.25, y / height - 0.25) / 0.35, 0, 1), work)
        urn = full(b"auxC", 0, 0, b"urn:mpeg:hevc:2015:auxid:1\0")
        file.refer(b"auxl", file.item(b"hvc1", data, box(b"hvcC", hvcc), ispe(width // 2, height // 2), urn, *transformations), primary)
    file.save(name, primary, meta_last)


def turned(name, work, *transformations):
    values = scene(128, 96)
    hvcc, data = picture(values, work)
    file = File()
    file.save(name, file.item(b"hvc1", data, box(b"hvcC", hvcc), ispe(128, 96), *transformations))


def samples(values, kr, kb, whole_range, depth, chroma):
    """The planes of a picture by ITU-T H.273, as ffmpeg reads them: little end first, if they have more than 8 bits."""
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    if kr == 1:  # the identity
        return b"".join(numpy.uint8(numpy.round(p * 255)).tobytes() for p in (green, blue, red))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    scale, top = 2 ** (depth - 8), 2 ** depth - 1
    low, span, chroma_span = (0, top, top) if whole_range else (16 * scale, 219 * scale, 224 * scale)
    planes = [luma * span + low]
    for difference in ((blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)):
        plane = difference * chroma_span + 128 * scale
        if chroma != "444":
            plane = (plane[:, ::2] + plane[:, 1::2]) / 2
        if chroma == "420":
            plane = (plane[::2] + plane[1::2]) / 2
        planes.append(plane)
    return b"".join(numpy.clip(numpy.round(p), 0, top).astype("u1" if depth == 8 else "<u2").tobytes() for p in planes)


def signalled(name, work, values, matrix, kr, kb, whole_range, depth=8, chroma="420", boxed=True, in_bitstream=True, colours=(1, 13)):
    """A picture whose matrix and range are given by a colr box, by the bitstream, or by neither."""
    height, width = values.shape[:2]
    raw, mp4 = os.path.join(work, "p.yuv"), os.path.join(work, "p.mp4")
    with open(raw, "wb") as f:
        f.write(samples(values, kr, kb, whole_range, depth, chroma))
    layout = f"yuv{chroma}p" + ("" if depth == 8 else f"{depth}le")
    params = "log-level=0:crf=12:info=0"
    if in_bitstream:
        params += f":colormatrix={matrix}:range={'full' if whole_range else 'limited'}"
    run("ffmpeg", "-y", "-f", "rawvideo", "-pix_fmt", layout, "-s", f"{width}x{height}", "-i", raw, "-frames:v", "1", "-c:v", "libx265",
        "-x265-params", params, "-tag:v", "hvc1", mp4)
    with open(mp4, "rb") as f:
        top = dict(children(f.read()))
    body = top[b"moov"]
    for kind in (b"trak", b"mdia", b"minf", b"stbl"):
        body = dict(children(body))[kind]
    entry = dict(children(dict(children(body))[b"stsd"][8:]))[b"hvc1"]
    file = File()
    properties = [box(b"hvcC", dict(children(entry[78:]))[b"hvcC"]), ispe(width, height)]
    if boxed:
        number = {"gbr": 0, "bt709": 1, "smpte170m": 6, "bt2020nc": 9}[matrix]
        properties.append(box(b"colr", b"nclx", struct.pack(">HHHB", *colours, number, 0x80 * whole_range)))
    file.save(name, file.item(b"hvc1", top[b"mdat"], *properties))


def sequence(name, work):
    """Three pictures as a video that has the brands of an image sequence, turned by its track, and the first of them as a
    still picture beside it, which pillow-heif reads. It does not read sequences."""
    mp4 = os.path.join(work, "p.mp4")
    for n in range(3):
        save8(numpy.roll(scene(128, 96), 20 * n, axis=1), os.path.join(work, f"frame{n}.png"))
    run("ffmpeg", "-y", "-i", os.path.join(work, "frame%d.png"), "-c:v", "libx265", "-pix_fmt", "yuv420p", "-tag:v", "hvc1",
        "-x265-params", "log-level=0:crf=12:info=0", mp4)
    with open(mp4, "rb") as f:
        content = f.read()
    size = struct.unpack_from(">I", content)[0]
    content = struct.pack(">I4s4sI", size, b"ftyp", b"msf1", 0) + (b"msf1hevciso8" + b"iso8" * size)[:size - 16] + content[size:]
    upright, quarter = [struct.pack(">9i", *(v << 16 for v in m[:8]), 1 << 30) for m in ((1, 0, 0, 0, 1, 0, 0, 0), (0, 1, 0, -1, 0, 0, 96, 0))]
    assert content.count(upright) == 2  # of the movie, and of the track
    at = content.rindex(upright)
    with open(os.path.join(here, name), "wb") as f:
        f.write(content[:at] + quarter + content[at + len(upright):])
    body = dict(children(content))[b"moov"]
    for kind in (b"trak", b"mdia", b"minf", b"stbl"):
        body = dict(children(body))[kind]
    table = dict(children(body))
    (length,), (start,) = struct.unpack_from(">I", table[b"stsz"], 12), struct.unpack_from(">I", table[b"stco"], 8)
    hvcc = dict(children(dict(children(table[b"stsd"][8:]))[b"hvc1"][78:]))[b"hvcC"]
    still = File()
    still.save(os.path.join(work, name), still.item(b"hvc1", content[start:start + length], box(b"hvcC", hvcc), ispe(128, 96), irot(3)))
    return os.path.join(work, name)


def clap(width, height, left, top, of_width, of_height):
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, 2 * left + width - of_width, 2, 2 * top + height - of_height, 2))


def irot(quarters):
    return box(b"irot", bytes([quarters]))


def imir(axis):
    return box(b"imir", bytes([axis]))


def s15(value):
    return struct.pack(">i", round(value * 65536))


def display_p3():
    """An ICC profile of Display P3, of curves and a matrix."""
    para = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(map(s15, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    xyz = lambda *v: b"XYZ " + bytes(4) + b"".join(map(s15, v))
    tags = [(b"rXYZ", xyz(0.51512, 0.24120, -0.00105)), (b"gXYZ", xyz(0.29198, 0.69225, 0.04189)), (b"bXYZ", xyz(0.15710, 0.06657, 0.78407)),
            (b"wtpt", xyz(0.9642, 1, 0.8249)), (b"rTRC", para), (b"gTRC", para), (b"bTRC", para)]
    table, content, start = b"", b"", 132 + 12 * len(tags)
    for name, body in tags:
        table += struct.pack(">4sII", name, start + len(content), len(body))
        content += body
    head = struct.pack(">I4sI4s4s4s12s4s4s", start + len(content), b"test", 0x04300000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp", bytes(4))
    return head.ljust(68, b"\0") + s15(0.9642) + s15(1) + s15(0.8249) + bytes(48) + struct.pack(">I", len(tags)) + table + content


def single_pictures(work):
    png, deep, gray, odd, clear = [os.path.join(work, n + ".png") for n in ("rgb", "deep", "gray", "odd", "clear")]
    values = scene(128, 96)
    save8(values, png)
    save8(values.mean(axis=2), gray)
    save8(scene(127, 95), odd)
    run("ffmpeg", "-y", "-i", png, "-pix_fmt", "rgb48be", deep)
    y, x = numpy.mgrid[0:96, 0:128]
    alpha = numpy.clip(1.5 - numpy.hypot(x - 64, y - 48) / 40, 0, 1)
    save8(numpy.dstack([values, alpha]), clear)
    encode(png, "420.heic")
    encode(odd, "odd.heic")
    encode(gray, "gray.heic")
    encode(png, "422.heic", "-p", "chroma=422")
    encode(png, "444.heic", "-p", "chroma=444")
    encode(deep, "420_10.heic", "-b", "10")
    encode(deep, "422_10.heic", "-b", "10", "-p", "chroma=422")
    encode(deep, "444_12.heic", "-b", "12", "-p", "chroma=444")
    encode(clear, "alpha.heic")
    encode(clear, "premultiplied.heic", "--premultiplied-alpha")
    Image.open(png).save(png, icc_profile=display_p3())
    encode(png, "p3.heic")


def show(stills):
    """What Pillow with pillow-heif makes of the files, or of the still pictures beside them."""
    for name in sorted(n for n in os.listdir(here) if n.endswith(".heic")):
        image = Image.open(stills.get(name, os.path.join(here, name)))
        if image.mode == "RGBa":
            image = image.convert("RGBA")
        image.info.clear()
        image.save(os.path.join(here, name[:-5] + ".png"), optimize=True)


with tempfile.TemporaryDirectory() as work:
    single_pictures(work)
    grid("grid.heic", work, 200, 150, 64, thumbnail=(100, 75))
    grid("grid_turned.heic", work, 150, 110, 64, irot(3), meta_last=True)
    grid("grid_alpha.heic", work, 192, 144, 64, imir(1), alpha=True)
    turned("cut.heic", work, clap(80, 60, 20, 10, 128, 96))
    turned("cut_odd.heic", work, clap(81, 61, 21, 11, 128, 96))
    turned("cut_turned.heic", work, clap(80, 60, 20, 10, 128, 96), irot(1), imir(0))
    turned("turned_cut.heic", work, imir(1), irot(3), clap(60, 80, 10, 20, 96, 128))
    values = scene(128, 96)
    signalled("rgb.heic", work, values, "gbr", 1, 0, True, chroma="444")
    signalled("bt709.heic", work, values, "bt709", 0.2126, 0.0722, True)
    signalled("bt709_limited.heic", work, values, "bt709", 0.2126, 0.0722, False, in_bitstream=False)
    signalled("bt709_bitstream.heic", work, values, "bt709", 0.2126, 0.0722, False, boxed=False)
    signalled("bt601_limited.heic", work, values, "smpte170m", 0.299, 0.114, False, chroma="422")
    signalled("nothing_said.heic", work, values, "smpte170m", 0.299, 0.114, False, boxed=False, in_bitstream=False)
    signalled("bt2020_10.heic", work, values, "bt2020nc", 0.2627, 0.0593, False, depth=10, colours=(9, 13))
    show({"sequence.heic": sequence("sequence.heic", work)})
