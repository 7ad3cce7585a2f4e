#!/usr/bin/env python3
"""streams.py makes the streams beside it and streams.txt, the digests of what they decode to. It needs from Debian 12:

    apt-get install aom-tools dav1d ffmpeg python3 rav1e svt-av1

Streams called a_* are from aomenc, r_* from rav1e, and s_* from SVT-AV1; l_* have layers, made of streams of aomenc. A stream
is what an AVIF item has: OBUs with sizes, of one temporal unit. A line of streams.txt has the name of a stream and two SHA-256
of its planes, one after the other: with in-loop filters and without. Samples of more than 8 bits are 16, little-endian. dav1d
and aomdec agree on all; only dav1d can leave filters out. Film grain is not applied. --new makes streams again that exist.
"""
import hashlib
import os
import random
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "streams")

SOURCES = dict(test="testsrc2=s={s}:r=25", noise="testsrc2=s={s}:r=25,noise=alls=24:all_seed=7:allf=t",
               fractal="mandelbrot=s={s}:r=25:start_scale=0.3", smooth="gradients=s={s}:r=25:seed=5:n=4")


def run(*args, data=None):
    return subprocess.run(args, check=True, timeout=600, capture_output=True, input=data).stdout


def text(width, height):
    """RGB samples that look like text on a screen: few colours, and letters that come again."""
    r = random.Random(5)
    colors = [bytes(r.randrange(256) for _ in range(3)) for _ in range(6)]
    letters = [[[r.random() < .45 for _ in range(6)] for _ in range(9)] for _ in range(12)]
    rows = []
    for top in range(0, height, 12):
        line, ink, paper = [r.choice(letters) for _ in range(max(1, width // 24))], *r.sample(colors, 2)
        for y in range(12):
            cells = (line[x // 8 % len(line)][y][x % 8] if y < 9 and x % 8 < 6 else False for x in range(width))
            rows.append(b"".join(ink if cell else paper for cell in cells))
    return b"".join(rows[:height])


def picture(path, source, size, pixels):
    """Writes a picture as YUV4MPEG2, which has no deep gray."""
    width, height = map(int, size.split("x"))
    pixels = pixels.replace("gray1", "yuv420p1")
    if source == "text":
        data, given = text(width, height), ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-i", "-"]
    else:
        data, given = None, ["-f", "lavfi", "-i", SOURCES[source].format(s=size)]
    run("ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *given, "-vf", "format=" + pixels, "-frames:v", "1", "-strict", "-1",
        "-f", "yuv4mpegpipe", path, data=data)


def depth_of(pixels):
    return 10 if pixels.endswith("10le") else 12 if pixels.endswith("12le") else 8


def aom(given, pixels, options):
    depth = depth_of(pixels)
    profile = 2 if depth == 12 or "422" in pixels else 1 if "444" in pixels else 0
    gray = ["--monochrome"] if pixels.startswith("gray") else []
    run("aomenc", "--allintra", "--passes=1", "--obu", "--limit=1", "--threads=1", "--row-mt=0", f"--profile={profile}",
        f"--bit-depth={depth}", f"--input-bit-depth={depth}", "--end-usage=q", *gray, *options, "-o", given + ".obu", given + ".y4m")
    with open(given + ".obu", "rb") as f:
        return f.read()


def from_ivf(path):
    """Returns the first temporal unit."""
    with open(path, "rb") as f:
        data = f.read()
    return data[44:44 + int.from_bytes(data[32:36], "little")]


def rav1e(given, pixels, options):
    run("rav1e", "--threads", "1", "-y", *options, "-o", given + ".ivf", given + ".y4m")
    return from_ivf(given + ".ivf")


def svt(given, pixels, options):
    run("SvtAv1EncApp", "-i", given + ".y4m", "--lp", "1", "-n", "1", "--input-depth", str(depth_of(pixels)), *options, "-b",
        given + ".ivf")
    return from_ivf(given + ".ivf")


def obus(data):
    """Yields the type and the payload of each OBU."""
    at = 0
    while at < len(data):
        header, size, shift = data[at], 0, 0
        at += 2 if header & 4 else 1
        while True:
            size |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        yield header >> 3 & 15, data[at:at + size]
        at += size


def obu(kind, payload, layer=None):
    header = bytes([kind << 3 | 2]) if layer is None else bytes([kind << 3 | 6, layer << 3])
    size, n = b"", len(payload)
    while n > 127:
        size += bytes([n & 127 | 128])
        n >>= 7
    return header + size + bytes([n]) + payload


def layered(streams):
    """Makes spatial layers of key frames: of streams with the same full sequence header."""
    units = [list(obus(s)) for s in streams]
    sequence = next(payload for kind, payload in units[0] if kind == 1)
    bits = "".join(f"{b:08b}" for b in sequence)
    # seq_profile, still_picture and reduced_still_picture_header, timing_info_present_flag,
    # initial_display_delay_present_flag, operating_points_cnt_minus_1, operating_point_idc, seq_level_idx
    assert bits[3:24] == "10" + "0" * 19 and bits[24:29] < "01000", "expected a full header with one operating point"
    layers, level = len(streams), bits[24:29]
    points = "".join(f"{(1 << n) - 1:04b}{1:08b}" + level for n in range(layers, 0, -1))
    end = bits.rindex("1")
    bits = bits[:3] + "0000" + f"{layers - 1:05b}" + points + bits[29:end] + "1"
    bits += "0" * (-len(bits) % 8)
    data = obu(2, b"") + obu(1, bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)))
    for layer, unit in enumerate(units):
        for kind, payload in unit:
            if kind not in (1, 2):
                data += obu(kind, payload, layer)
    return data


def layers(given, pixels, options):
    return layered([aom(given, pixels, ["--full-still-picture-hdr", "--cpu-used=6", "--cq-level=" + q]) for q in options])


def by_dav1d(path, filters="all"):
    return run("dav1d", "-q", "--filmgrain", "0", "--threads", "1", "--alllayers", "0", "--inloopfilters", filters, "-i", path,
               "--muxer", "yuv", "-o", "-")


def by_aomdec(path):
    return run("aomdec", "--rawvideo", "--skip-film-grain", "--threads=1", path, "-o", "-")


ALL_PIXELS = ("yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray10le", "yuv420p12le",
              "yuv422p12le", "yuv444p12le", "gray12le")
SCREEN = ["--tune-content=screen", "--enable-palette=1"]


def streams():
    """All streams: name, encoder, pixel format, size, source and options."""
    for pixels in ALL_PIXELS:
        name = pixels.removesuffix("le")
        restored = ["--enable-restoration=1", "--cpu-used=2"]
        yield f"a_{name}", aom, pixels, "186x122", "test", ["--cq-level=24", *restored]
        yield f"a_{name}_low", aom, pixels, "97x71" if depth_of(pixels) == 8 else "98x71", "fractal", ["--cq-level=50", *restored]
    for size in ("64x48", "16x16", "8x8", "1x1", "17x1", "1x65", "65x129", "130x66", "33x200"):
        yield f"a_{size}", aom, "yuv420p", size, "text" if "x1" in size or "1x" in size or size == "8x8" else "noise", ["--cq-level=30", "--cpu-used=3"]
    yield "a_large", aom, "yuv420p", "512x384", "noise", ["--cq-level=34", "--cpu-used=3", "--enable-restoration=1"]
    aq = ["--aq-mode=1", "--cq-level=40"]
    for i, (name, options) in enumerate(dict(
            q1=["--cq-level=1"], q63=["--cq-level=63"], lossless=["--lossless=1"], plain=["--enable-cdef=0", "--enable-restoration=0"],
            unfiltered=["--enable-cdef=0", "--enable-restoration=0", "--loopfilter-control=0"], cdef=["--enable-restoration=0", "--cq-level=50"],
            restored=["--enable-cdef=0", "--enable-restoration=1", "--cq-level=50", "--cpu-used=1"],
            matrices=["--enable-qm=1", "--qm-min=0", "--qm-max=8"], matrices_steep=["--enable-qm=1", "--qm-min=0", "--qm-max=0", "--cq-level=20"],
            sb64=["--sb-size=64", "--enable-restoration=1"], sb128=["--sb-size=128", "--enable-restoration=1"],
            segments=aq, segments_2=["--aq-mode=2", "--cq-level=40"], segments_3=["--aq-mode=3", "--cq-level=40"],
            delta_q=["--deltaq-mode=3", "--cq-level=40"], delta_lf=["--deltaq-mode=3", "--delta-lf-mode=1", "--cq-level=40"],
            delta_chroma=["--enable-chroma-deltaq=1"], reduced_types=["--reduced-tx-type-set=1"], dct=["--use-intra-dct-only=1"],
            no_tx64=["--enable-tx64=0"], square_tx=["--enable-rect-tx=0"], tx=["--cpu-used=0", "--cq-level=16"],
            static=["--cdf-update-mode=0"], sharp=["--sharpness=7", "--cq-level=45"], sharp_3=["--sharpness=3", "--cq-level=45"],
            blocks_4=["--max-partition-size=8"], blocks_64=["--min-partition-size=64", "--max-partition-size=64"],
            no_edge_filter=["--enable-intra-edge-filter=0"], no_filter_intra=["--enable-filter-intra=0"], no_cfl=["--enable-cfl-intra=0"],
            full_header=["--full-still-picture-hdr"], resilient=["--full-still-picture-hdr", "--error-resilient=1"],
            grain=["--film-grain-test=7"]).items()):
        pixels = ("yuv420p", "yuv444p", "yuv422p10le", "yuv420p10le", "yuv444p12le")[i % 5]
        speed = [] if any(o.startswith("--cpu") for o in options) else ["--cpu-used=3"]
        level = [] if any(o.startswith("--cq") for o in options) else ["--cq-level=30"]
        size = "200x136" if name.startswith(("sb", "segments", "delta")) else "128x88"
        yield f"a_{name}", aom, pixels, size, ("noise", "fractal")[i % 2], [*speed, *level, *options]
    for i, (name, tiles) in enumerate(dict(
            columns=["--tile-columns=2"], rows=["--tile-rows=2"], both=["--tile-columns=1", "--tile-rows=1"],
            groups=["--tile-columns=1", "--tile-rows=1", "--num-tile-groups=3"], restored=["--tile-columns=2", "--tile-rows=2",
            "--enable-restoration=1"]).items()):
        yield f"a_tiles_{name}", aom, ("yuv420p", "yuv444p10le")[i % 2], "330x270", "fractal", ["--cpu-used=4", "--cq-level=36",
                                                                                               "--sb-size=64", *tiles]
    for denominator in (9, 13, 16):
        pixels = ("yuv420p", "yuv444p", "yuv422p10le")[denominator % 3]
        yield f"a_superres_{denominator}", aom, pixels, "186x122", "noise", [
            "--cpu-used=3", "--cq-level=36", "--enable-restoration=1", "--superres-mode=1", f"--superres-kf-denominator={denominator}",
            f"--superres-denominator={denominator}"]
    yield "a_superres_tiles", aom, "yuv420p", "330x150", "fractal", [
        "--cpu-used=4", "--cq-level=30", "--superres-mode=1", "--superres-kf-denominator=12", "--superres-denominator=12",
        "--tile-columns=1", "--tile-rows=1", "--sb-size=64", "--enable-restoration=1"]
    for pixels in ("yuv420p", "yuv422p", "yuv444p10le", "gray12le"):
        yield f"a_screen_{pixels.removesuffix('le')}", aom, pixels, "200x132", "text", ["--cpu-used=2", "--cq-level=20", *SCREEN]
    yield "a_screen_lossless", aom, "yuv444p", "130x70", "text", ["--cpu-used=2", "--lossless=1", *SCREEN]
    yield "a_palette", aom, "yuv420p", "200x132", "text", ["--cpu-used=2", "--cq-level=30", "--enable-intrabc=0", *SCREEN]
    yield "a_copies", aom, "yuv420p", "200x132", "text", ["--cpu-used=1", "--cq-level=30", "--tune-content=screen", "--enable-palette=0"]
    yield "a_copies_tiles", aom, "yuv420p", "330x150", "text", ["--cpu-used=2", "--cq-level=30", *SCREEN, "--tile-columns=1",
                                                               "--tile-rows=1", "--sb-size=64"]
    for pixels in ("yuv420p", "yuv444p10le"):
        yield f"r_{pixels.removesuffix('le')}", rav1e, pixels, "186x122", "noise", ["--still-picture", "--quantizer", "90", "-s", "2"]
    yield "r_odd", rav1e, "yuv420p", "97x71", "fractal", ["--still-picture", "--quantizer", "90", "-s", "4"]
    yield "r_fast", rav1e, "yuv420p", "128x88", "fractal", ["--still-picture", "--quantizer", "140", "-s", "10"]
    yield "r_tiles", rav1e, "yuv420p", "330x270", "fractal", ["--still-picture", "--quantizer", "140", "-s", "6", "--tiles", "4"]
    for pixels in ("yuv420p", "yuv420p10le"):
        yield f"s_{pixels.removesuffix('le')}", svt, pixels, "186x122", "noise", ["--preset", "2", "-q", "40"]
    yield "s_fast", svt, "yuv420p", "200x136", "test", ["--preset", "10", "-q", "30"]
    yield "s_screen", svt, "yuv420p", "200x136", "text", ["--preset", "4", "-q", "30", "--scm", "1"]
    yield "s_matrices", svt, "yuv420p", "128x88", "fractal", ["--preset", "4", "-q", "40", "--enable-qm", "1", "--qm-min", "0"]
    yield "l_two", layers, "yuv420p", "128x88", "noise", ["60", "30"]
    yield "l_four", layers, "yuv444p10le", "64x48", "fractal", ["63", "50", "40", "20"]


def main():
    os.makedirs(out, exist_ok=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as directory, open(os.path.join(here, "streams.txt"), "w") as listed:
        for name, encode, pixels, size, source, options in streams():
            path, given = os.path.join(out, name + ".obu"), os.path.join(directory, name)
            if "--new" in sys.argv or not os.path.exists(path):
                picture(given + ".y4m", source, size, pixels)
                with open(path, "wb") as f:
                    f.write(encode(given, pixels, options))
            planes, plain = by_dav1d(path), by_dav1d(path, "none")
            if not planes or planes != by_aomdec(path):
                print(f"{name}: the decoders do not agree", file=sys.stderr)
                wrong += 1
            print(f"{name} {hashlib.sha256(planes).hexdigest()} {hashlib.sha256(plain).hexdigest()}", file=listed, flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
