#!/usr/bin/env python3
"""streams.py makes the streams beside it and streams.txt, the digests of what they decode to. It needs from Debian 12:

    apt-get install ffmpeg libde265-0 python3

Streams called x_* are from x265, through ffmpeg; those called i_* are from invent.py. A line of streams.txt has the name of a
stream, the decoder whose result counts, and the SHA-256 of its planes, one after the other: cropped, samples of more than 8
bits as 16, little-endian. "both" is ffmpeg (libavcodec) and libde265, which agree. Where they do not, one is left out, because:

- libde265 1.0.11 has no cross-component prediction, no lists of chroma QP offsets, no factors for chroma blocks of 32x32,
  and mistakes slices in sample adaptive offset of subsampled chroma.
- ffmpeg 5.1 applies rotation, RDPCM and sample adaptive offset to blocks without transform and quantization in its own
  way, takes both flags of slice_loop_filter_across_slices_enabled_flag from one slice, and has no depths that differ.
- libde265 mistakes chroma QPs of 4:4:4 in some blocks, ffmpeg sample adaptive offset at corners of chroma blocks of 8x8.
- Both hold some residuals in 16 bits, which those of random levels exceed.
- libde265 compares the addresses of slices in raster scan, where what counts is the order of tiles.
"""
import ctypes
import hashlib
import os
import subprocess
import sys

from invent import Picture

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "streams")

SOURCES = dict(test="testsrc2=s={s}:r=25", noise="testsrc2=s={s}:r=25,noise=alls=24:all_seed=7:allf=t",
               fractal="mandelbrot=s={s}:r=25:start_scale=0.3", smooth="gradients=s={s}:r=25:seed=5:n=4")


def ffmpeg(*args):
    return subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *args], check=True, timeout=60,
                          capture_output=True).stdout


def x265(name, pixels, size, source, params):
    path = os.path.join(out, name + ".hevc")
    ffmpeg("-f", "lavfi", "-i", SOURCES[source].format(s=size), "-vf", "format=" + pixels, "-frames:v", "1", "-c:v", "libx265",
           "-x265-params", "keyint=1:info=0:log-level=error:repeat-headers=1:pools=1:frame-threads=1:" + params, "-f", "hevc", path)
    return path


def by_ffmpeg(path):
    return ffmpeg("-flags", "unaligned", "-threads", "1", "-f", "hevc", "-i", path, "-frames:v", "1", "-f", "rawvideo", "-")


def by_libde265(path):
    lib = ctypes.CDLL("libde265.so.0")
    p, i = ctypes.c_void_p, ctypes.c_int
    for name, result, args in (("new_decoder", p, []), ("push_data", i, [p, ctypes.c_char_p, i, ctypes.c_int64, p]),
                               ("flush_data", i, [p]), ("decode", i, [p, ctypes.POINTER(i)]), ("get_next_picture", p, [p]),
                               ("free_decoder", i, [p]), ("get_chroma_format", i, [p]), ("get_image_width", i, [p, i]),
                               ("get_image_height", i, [p, i]), ("get_bits_per_pixel", i, [p, i]),
                               ("get_image_plane", p, [p, i, ctypes.POINTER(i)])):
        f = getattr(lib, "de265_" + name)
        f.restype, f.argtypes = result, args
    data = open(path, "rb").read()
    d = lib.de265_new_decoder()
    lib.de265_push_data(d, data, len(data), 0, None)
    lib.de265_flush_data(d)
    more, stride, planes = i(1), i(0), []
    while more.value and not planes:
        if lib.de265_decode(d, ctypes.byref(more)) != 0:
            break
        m = lib.de265_get_next_picture(d)
        if not m:
            continue
        depths = [lib.de265_get_bits_per_pixel(m, c) for c in range(3 if lib.de265_get_chroma_format(m) else 1)]
        for c in range(len(depths)):
            at, size = lib.de265_get_image_plane(m, c, ctypes.byref(stride)), (depths[c] + 7) // 8
            for y in range(lib.de265_get_image_height(m, c)):
                row = ctypes.string_at(at + y * stride.value, lib.de265_get_image_width(m, c) * size)
                if size == 1 and max(depths) > 8:
                    row = bytes(v for b in row for v in (b, 0))
                planes.append(row)
    lib.de265_free_decoder(d)
    return b"".join(planes)


def streams():
    """All streams: name, how it is made, and the decoders that count."""
    for pixels in ("yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10", "yuv422p10", "yuv444p10", "gray10", "yuv420p12",
                   "yuv422p12", "yuv444p12", "gray12"):
        for source, qp in (("test", 24), ("fractal", 34)):
            yield f"x_{pixels}_{source}", ("x", pixels + ("le" if pixels.endswith(("p10", "p12", "y10", "y12")) else ""), "186x122", source, f"qp={qp}"), "both"
    for name, params in dict(
            qp0="qp=0", qp51="qp=51", qp51_offsets="qp=51:cbqpoffs=12:crqpoffs=12", offsets="qp=30:cbqpoffs=-9:crqpoffs=7",
            ctu16="qp=27:ctu=16", ctu32="qp=27:ctu=32", cu32="qp=35:ctu=64:min-cu-size=32", tu4="qp=27:ctu=16:max-tu-size=4",
            tu8="qp=27:max-tu-size=8", tu_depth="qp=27:tu-intra-depth=4:rd=4", slices="qp=27:slices=3:ctu=16", wpp="qp=27:wpp=1:ctu=16",
            wpp_slices="qp=27:wpp=1:slices=2:ctu=16", no_sao="qp=33:sao=0", sao="qp=40:sao=1", deblock="qp=33:deblock=3,-3",
            deblock_low="qp=33:deblock=-6,6", lists="qp=27:scaling-list=default", skip="qp=20:tskip=1",
            no_strong="qp=35:strong-intra-smoothing=0", constrained="qp=27:constrained-intra=1", no_hiding="qp=27:signhide=0",
            aq="crf=24:aq-mode=2:aq-strength=3", aq_groups="crf=24:aq-mode=3:qg-size=8:aq-strength=2", lossless="lossless=1",
            cu_lossless="qp=10:cu-lossless=1:rd=5", rd="qp=30:rd=6:rdoq-level=2:psy-rd=2").items():
        pixels = ("yuv420p", "yuv444p", "yuv422p10le", "yuv420p10le")[len(name) % 4]
        yield f"x_{name}", ("x", pixels, "128x88", "noise" if len(params) % 2 else "fractal", params), "both"
    vui = "qp=30:range=full:colorprim=smpte432:transfer=iec61966-2-1:colormatrix=smpte170m:sar=2:chromaloc=1"
    yield "x_vui", ("x", "yuvj420p", "186x122", "test", vui), "both"
    yield "x_vui_hypothetical", ("x", "yuvj420p", "186x122", "test", vui.replace("qp=30", "bitrate=500:vbv-bufsize=500:vbv-maxrate=500:hrd=1")), "both"
    yield "x_large", ("x", "yuv420p", "512x384", "noise", "qp=26"), "both"
    yield "x_strong", ("x", "yuv420p", "320x192", "smooth", "qp=36"), "both"
    tiles = dict(columns=3, rows=2, width=192, height=128, ctb=4, max_tb=4, across=1)
    slices = dict(slices=5, ctb=4, max_tb=4)
    some = dict(skip=1, delta_qp=1, sign_hiding=1)
    seed = 0
    for name, options, who in (
            ("plain", {}, "both"), ("trees", dict(depth_intra=3, ctb=6, width=128, height=72), "both"),
            ("large_blocks", dict(ctb=6, min_cb=4, min_tb=3, depth_intra=3, width=208, height=144), "libde265"),
            ("tiles", dict(tiles), "both"), ("tiles_apart", dict(tiles, uniform=0, across_tiles=0), "both"),
            ("wavefront", dict(wavefront=1, ctb=4, max_tb=4), "libde265"), ("pcm", dict(pcm=1), "libde265"),
            ("pcm_unfiltered", dict(pcm=1, pcm_unfiltered=1), "libde265"), ("skip", dict(skip=1), "both"),
            ("bypass", dict(bypass=1), "libde265"), ("hiding", dict(sign_hiding=1), "both"), ("groups", dict(delta_qp=2), "ffmpeg"),
            ("lists_default", dict(scaling=1), "ffmpeg"), ("lists", dict(scaling=2), "ffmpeg"), ("lists_picture", dict(scaling=3), "ffmpeg"),
            ("crop", dict(crop=(1, 2, 3, 1)), "both"), ("header", dict(extra=2, extension=1), "both"),
            ("references", dict(idr=0, references=1), "both"), ("escapes", dict(large=0.5), "both"), ("dense", dict(coefs=200), "both"),
            ("rotation", dict(some, rotation=1), "ffmpeg"), ("rotation_bypass", dict(bypass=1, rotation=1), "libde265"),
            ("rdpcm", dict(some, rdpcm=1), "ffmpeg"), ("rdpcm_bypass", dict(bypass=1, rdpcm=1), "libde265"),
            ("skip_context", dict(some, skip_context=1), "ffmpeg"), ("rice", dict(some, rice=1, large=0.3), "ffmpeg"),
            ("unsmoothed", dict(smoothing_disabled=1), "both"), ("skip_large", dict(some, max_skip=5), "ffmpeg"),
            ("offsets", dict(some, offsets=6, offset_depth=1), "ffmpeg"), ("offset", dict(some, offsets=1, offset_depth=1), "ffmpeg")):
        for chroma in (1, 0, 2, 3):
            seed += 1
            yield f"i_{name}_{chroma}", ("i", seed, dict(options, chroma=chroma)), who
    for chroma in (0, 3):  # subsampled chroma has no decoder that counts
        for name, options in (("slices", slices), ("dependent", dict(slices, dependent=1)),
                              ("dependent_wavefront", dict(slices, dependent=1, wavefront=1)),
                              ("slices_tiles", dict(tiles, slices=5)),
                              ("slices_tiles_apart", dict(tiles, slices=5, across_slices=0, across_tiles=0))):
            seed += 1
            yield f"i_{name}_{chroma}", ("i", seed, dict(options, chroma=chroma)), "libde265"
    apart = dict(slices=3, dependent=1, across_slices=0, override=0, width=160, height=128)
    for chroma in (1, 2):
        seed += 1
        yield f"i_slices_apart_{chroma}", ("i", seed, dict(apart, chroma=chroma)), "ffmpeg"
        yield f"i_slices_joined_{chroma}", ("i", seed, dict(slices, dependent=1, across=1, override=0, chroma=chroma)), "libde265"
    for chroma in (0, 1, 2, 3):
        for depth, other in ((10, 10), (12, 12), (8, 10), (12, 9)):
            seed += 1
            options = dict(chroma=chroma, depth=depth, depth_chroma=other, sao_shift=2, pcm=1, skip=1)
            if chroma < 3 or depth == other:
                options.update(delta_qp=1)
            yield f"i_depth_{depth}_{other}_{chroma}", ("i", seed, options), "libde265" if depth != other or chroma < 3 else "ffmpeg"
    for seed, depth in ((7, 8), (0, 12)):
        everything = dict(cross=1, chroma=3, skip=1, max_skip=4, rotation=1, rdpcm=1, skip_context=1, rice=1, offsets=6, delta_qp=1,
                          offset_depth=1, sign_hiding=1, scaling=3, pcm=1, ctb=4, max_tb=4, depth=depth)
        yield f"i_cross_{depth}", ("i", seed, dict(cross=1, chroma=3, depth=depth)), "ffmpeg"
        yield f"i_everything_{depth}", ("i", seed, everything), "ffmpeg"
    yield "i_everything_tiles", ("i", 7, dict(everything, depth=8, columns=2, rows=2, width=160, height=128, across=1)), "ffmpeg"


def main():
    os.makedirs(out, exist_ok=True)
    lines, wrong = [], 0
    for name, made, who in streams():
        if made[0] == "x":
            path = x265(name, *made[1:])
        else:
            path = os.path.join(out, name + ".hevc")
            with open(path, "wb") as f:
                f.write(Picture(made[1], **made[2]).stream())
        results = []
        for decoder, decode in (("ffmpeg", by_ffmpeg), ("libde265", by_libde265)):
            if who in (decoder, "both"):
                results.append(decode(path))
        if not results[0] or any(v != results[0] for v in results):
            print(f"{name}: {who} do not agree", file=sys.stderr)
            wrong += 1
        lines.append(f"{name} {who} {hashlib.sha256(results[0]).hexdigest()}\n")
    with open(os.path.join(here, "streams.txt"), "w") as f:
        f.writelines(lines)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
