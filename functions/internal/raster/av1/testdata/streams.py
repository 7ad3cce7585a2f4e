#!/usr/bin/env python3
"""streams.py makes the streams beside it and streams.txt, the digests of what they decode to. It needs from Debian 12:

    apt-get install aom-tools dav1d ffmpeg python3 rav1e svt-av1

Streams called a_* are from aomenc, r_* from rav1e, and s_* from SVT-AV1; l_* have layers, made of streams of aomenc; i_* are
the first frames of videos of aomenc, and v_* of SVT-AV1, of which the last one is decoded, and is predicted from the others. A
stream is what an AVIF item has: OBUs with sizes. A line of streams.txt has the name of a stream and two SHA-256 of its planes,
one after the other: with in-loop filters and without. Those of inter frames have - in place of the second one, because the
decoders cannot leave filters out in the last frame only. Samples of more than 8 bits are 16, little-endian. dav1d and aomdec
agree on all; only dav1d can leave filters out. Film grain is not applied. --new makes streams again that exist.
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
               fractal="mandelbrot=s={s}:r=25:start_scale=0.3", smooth="gradients=s={s}:r=25:seed=5:n=4",
               pan="mandelbrot=s=400x300:r=25:start_scale=0.1,crop={w}:{h}:n*3:n*2", flat="color=c=0x406080:s={s}:r=25",
               turn="testsrc2=s=320x240:r=25,rotate=n*0.03,crop={w}:{h}:60:50",
               life="life=s={s}:mold=10:r=25:ratio=0.1:seed=3:death_color=#C83232:life_color=#00ff00")

# The pixels of a chroma plane across and down for each sample, by the middle of a pixel format.
STEPS = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


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


def picture(path, source, size, pixels, frames=1):
    """Writes a picture or a video as YUV4MPEG2, which has no deep gray."""
    width, height = map(int, size.split("x"))
    pixels = pixels.replace("gray1", "yuv420p1")
    if source == "text":
        data, given = text(width, height), ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-i", "-"]
    else:
        data, given = None, ["-f", "lavfi", "-i", SOURCES[source].format(s=size, w=width, h=height)]
    run("ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *given, "-vf", "format=" + pixels, "-frames:v", str(frames), "-strict",
        "-1", "-f", "yuv4mpegpipe", path, data=data)


def depth_of(pixels):
    return 10 if pixels.endswith("10le") else 12 if pixels.endswith("12le") else 8


FRAMES = 4


def first_frames(data):
    """Returns the first frames of a video, as many as a picture may have."""
    kept, frames = b"", 0
    for kind, payload in obus(data):
        frames += kind in (3, 6)
        if frames > FRAMES:
            break
        kept += obu(kind, payload)
    return kept


def video(given, pixels, options):
    depth = depth_of(pixels)
    profile = 2 if depth == 12 or "422" in pixels else 1 if "444" in pixels else 0
    gray = ["--monochrome"] if pixels.startswith("gray") else []
    run("aomenc", "--passes=1", "--obu", "--threads=1", "--row-mt=0", f"--profile={profile}", f"--bit-depth={depth}",
        f"--input-bit-depth={depth}", "--end-usage=q", "--lag-in-frames=0", "--cq-level=40", "--cpu-used=1", *gray, *options, "-o",
        given + ".obu", given + ".y4m")
    with open(given + ".obu", "rb") as f:
        return first_frames(f.read())


def svt_video(given, pixels, options):
    run("SvtAv1EncApp", "-i", given + ".y4m", "--lp", "1", "--input-depth", str(depth_of(pixels)), *options, "-b", given + ".ivf")
    run("ffmpeg", "-loglevel", "error", "-y", "-i", given + ".ivf", "-c", "copy", "-f", "obu", given + ".obu")
    with open(given + ".obu", "rb") as f:
        return first_frames(f.read())


def layered_video(given, pixels, options):
    """Makes a spatial layer of each frame of a video."""
    units = [(kind, payload) for kind, payload in obus(video(given, pixels, options)) if kind != 2]
    sequence = [unit for unit in units if unit[0] == 1][:1]
    frames = [unit for unit in units if unit[0] in (3, 6)]
    return layered([b"".join(obu(*unit) for unit in sequence + [frame]) for frame in frames])


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
    """Makes spatial layers of streams with the same full sequence header."""
    units = [list(obus(s)) for s in streams]
    sequence = next(payload for kind, payload in units[0] if kind == 1)
    bits = "".join(f"{b:08b}" for b in sequence)
    # seq_profile, still_picture and reduced_still_picture_header, timing_info_present_flag,
    # initial_display_delay_present_flag, operating_points_cnt_minus_1, operating_point_idc, seq_level_idx
    assert bits[4:24] == "0" * 20 and bits[24:29] < "01000", "expected a full header with one operating point"
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


VIDEOS = dict(
    pan=("pan", []), turn=("turn", []), life=("life", []), fractal=("fractal", ["--cpu-used=0", "--cq-level=20"]),
    best=("turn", ["--cpu-used=0", "--cq-level=24"]), ahead=("pan", ["--lag-in-frames=19"]),
    ahead_turn=("turn", ["--lag-in-frames=19"]), simple=("pan", ["--cpu-used=6"]), real_time=("turn", ["--cpu-used=8", "--rt"]),
    resilient=("turn", ["--error-resilient=1"]), segments=("fractal", ["--aq-mode=2"]), segments_3=("pan", ["--aq-mode=3"]),
    larger=("pan", ["--resize-mode=1", "--resize-kf-denominator=16", "--resize-denominator=8"]),
    larger_turn=("turn", ["--resize-mode=1", "--resize-kf-denominator=11", "--resize-denominator=8"]),
    superres=("pan", ["--superres-mode=1", "--superres-kf-denominator=12", "--superres-denominator=11"]),
    lossless=("pan", ["--lossless=1"]),
    static=("turn", ["--cdf-update-mode=0"]), parallel=("turn", ["--frame-parallel=1"]), reduced=("life", ["--reduced-tx-type-set=1",
    "--enable-dual-filter=0"]), small=("turn", ["--min-partition-size=4", "--max-partition-size=8"]),
    blocks_128=("pan", ["--sb-size=128", "--min-partition-size=64"]), tiles=("pan", ["--tile-columns=1", "--tile-rows=1",
    "--sb-size=64"]), screen=("test", ["--tune-content=screen"]), grain=("turn", ["--film-grain-test=3"]))


def videos():
    """The streams of several frames: name, encoder, pixel format, size, source and options."""
    for name, (source, options) in VIDEOS.items():
        size = "200x136" if name in ("tiles", "blocks_128") else "97x71" if name == "simple" else "128x88"
        yield f"i_{name}", video, "yuv444p" if name == "screen" else "yuv420p", size, source, options
    for i, pixels in enumerate(("yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv444p10le", "yuv422p12le")):
        yield f"i_{pixels.removesuffix('le')}", video, pixels, ("98x70", "130x66")[i % 2], ("turn", "pan")[i % 2], []
    yield "i_flat", video, "yuv444p10le", "1024x512", "flat", ["--cpu-used=8", "--cq-level=60"]
    for preset in ("1", "8"):
        yield f"v_{preset}", svt_video, "yuv420p", "128x96", "pan", ["--preset", preset, "-q", "40"]
    yield "l_predicted", layered_video, "yuv420p", "128x88", "pan", []
    yield "l_smooth", layered_video, "yuv420p", "128x88", "smooth", ["--cq-level=30"]
    yield "l_larger", layered_video, "yuv420p10le", "130x66", "turn", ["--resize-mode=1", "--resize-kf-denominator=16",
                                                                        "--resize-denominator=8"]


def last_frame(planes, size, pixels):
    """Returns the planes of the last frame of a video."""
    width, height = map(int, size.split("x"))
    samples = width * height
    if not pixels.startswith("gray"):
        across, down = STEPS[pixels[3:6]]
        samples += 2 * -(-width // across) * -(-height // down)
    return planes[-samples * (2 if depth_of(pixels) > 8 else 1):]


def main():
    os.makedirs(out, exist_ok=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as directory, open(os.path.join(here, "streams.txt"), "w") as listed:
        for name, encode, pixels, size, source, options in [*streams(), *videos()]:
            path, given = os.path.join(out, name + ".obu"), os.path.join(directory, name)
            is_video = encode in (video, svt_video, layered_video)
            if "--new" in sys.argv or not os.path.exists(path):
                picture(given + ".y4m", source, size, pixels, 10 if encode is svt_video or "ahead" in name else FRAMES if is_video else 1)
                with open(path, "wb") as f:
                    f.write(encode(given, pixels, options))
            planes, other = (last_frame(decode(path), size, pixels) for decode in (by_dav1d, by_aomdec))
            if not planes or planes != other:
                print(f"{name}: the decoders do not agree", file=sys.stderr)
                wrong += 1
            plain = "-" if is_video else hashlib.sha256(by_dav1d(path, "none")).hexdigest()
            print(f"{name} {hashlib.sha256(planes).hexdigest()} {plain}", file=listed, flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
