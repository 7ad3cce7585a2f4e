"""invent writes HEVC intra pictures with random syntax, for what no encoder at hand uses: tiles, PCM, dependent slices,
cross-component prediction, the range extension's tools, and all of them at once. The pictures look like noise; what
counts is that every tool is used, in every combination. The clauses are those of ITU-T H.265."""
import random

LPS = [[128, 176, 208, 240], [128, 167, 197, 227], [128, 158, 187, 216], [123, 150, 178, 205], [116, 142, 169, 195],
       [111, 135, 160, 185], [105, 128, 152, 175], [100, 122, 144, 166], [95, 116, 137, 158], [90, 110, 130, 150],
       [85, 104, 123, 142], [81, 99, 117, 135], [77, 94, 111, 128], [73, 89, 105, 122], [69, 85, 100, 116],
       [66, 80, 95, 110], [62, 76, 90, 104], [59, 72, 86, 99], [56, 69, 81, 94], [53, 65, 77, 89], [51, 62, 73, 85],
       [48, 59, 69, 80], [46, 56, 66, 76], [43, 53, 63, 72], [41, 50, 59, 69], [39, 48, 56, 65], [37, 45, 54, 62],
       [35, 43, 51, 59], [33, 41, 48, 56], [32, 39, 46, 53], [30, 37, 43, 50], [29, 35, 41, 48], [27, 33, 39, 45],
       [26, 31, 37, 43], [24, 30, 35, 41], [23, 28, 33, 39], [22, 27, 32, 37], [21, 26, 30, 35], [20, 24, 29, 33],
       [19, 23, 27, 31], [18, 22, 26, 30], [17, 21, 25, 28], [16, 20, 23, 27], [15, 19, 22, 25], [14, 18, 21, 24],
       [14, 17, 20, 23], [13, 16, 19, 22], [12, 15, 18, 21], [12, 14, 17, 20], [11, 14, 16, 19], [11, 13, 15, 18],
       [10, 12, 15, 17], [10, 12, 14, 16], [9, 11, 13, 15], [9, 11, 12, 14], [8, 10, 12, 14], [8, 9, 11, 13],
       [7, 9, 11, 12], [7, 9, 10, 12], [7, 8, 10, 11], [6, 8, 9, 11], [6, 7, 9, 10], [6, 7, 8, 9], [2, 2, 2, 2]]
NEXT_LPS = [0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23,
            24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36,
            37, 37, 37, 38, 38, 63]
LAST = [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63]
INIT = dict(sao_merge=[153], sao_type=[200], split_cu=[139, 141, 157], bypass=[154], part=[184], prev=[184], chroma=[63],
            split_tu=[153, 138, 138], cbf_luma=[111, 141], cbf_chroma=[94, 138, 182, 154, 154], dqp=[154, 154],
            skip=[139, 139], last_x=LAST, last_y=LAST, coded=[91, 171, 134, 141],
            sig=[111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125,
                 107, 125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,
                 141, 111],
            greater1=[140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182,
                      140, 227, 122, 197],
            greater2=[138, 153, 136, 167, 152, 152], offset=[154], offset_index=[154], scale=[154] * 8, scale_sign=[154] * 2)
MAP_4X4 = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8]
MODES_422 = [0, 1, 2, 2, 2, 2, 3, 5, 7, 8, 10, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23, 23, 24, 24, 25, 25, 26, 27, 27, 28,
             28, 29, 29, 30, 31]


class Bits:
    def __init__(self):
        self.b = []

    def u(self, n, v):
        self.b += [v >> i & 1 for i in range(n - 1, -1, -1)]

    def ue(self, v):
        n = (v + 1).bit_length()
        self.u(2 * n - 1, v + 1)

    def se(self, v):
        self.ue(2 * v - 1 if v > 0 else -2 * v)

    def align(self, first):
        if first is not None:
            self.b.append(first)
        while len(self.b) % 8:
            self.b.append(0)

    def bytes(self):
        return bytes(int("".join(map(str, self.b[i:i + 8])), 2) for i in range(0, len(self.b), 8))


def escape(data):
    """The payload with emulation prevention bytes, and where each byte went."""
    out, places, zeros = bytearray(), [], 0
    for v in data:
        if zeros >= 2 and v <= 3:
            out.append(3)
            zeros = 0
        places.append(len(out))
        out.append(v)
        zeros = zeros + 1 if v == 0 else 0
    return bytes(out), places + [len(out)]


def nal(kind, data):
    return b"\0\0\0\1" + bytes([kind << 1, 1]) + escape(data)[0]


class Coder:
    """The arithmetic encoder: low is all that was coded, as one number."""

    def __init__(self):
        self.contexts, self.rice = {}, [0] * 4
        self.restart()

    def restart(self):
        self.low, self.range, self.shifts = 0, 510, 0

    def init(self, qp):
        qp = max(0, min(51, qp))
        self.rice = [0] * 4
        for name, values in INIT.items():
            states = []
            for v in values:
                pre = max(1, min(126, (((v >> 4) * 5 - 45) * qp >> 4) + ((v & 15) << 3) - 16))
                states.append((63 - pre, 0) if pre <= 63 else (pre - 64, 1))
            self.contexts[name] = states

    def save(self):
        return {k: list(v) for k, v in self.contexts.items()}, list(self.rice)

    def load(self, saved):
        self.contexts, self.rice = {k: list(v) for k, v in saved[0].items()}, list(saved[1])

    def shift(self, n):
        self.low <<= n
        self.range <<= n
        self.shifts += n

    def bin(self, name, i, v):
        state, mps = self.contexts[name][i]
        lps = LPS[state][self.range >> 6 & 3]
        self.range -= lps
        if v == mps:
            self.contexts[name][i] = (min(state + 1, 62), mps)
        else:
            self.low += self.range
            self.range = lps
            self.contexts[name][i] = (NEXT_LPS[state], mps ^ (state == 0))
        self.shift(9 - self.range.bit_length())

    def bypass(self, n, v):
        for i in range(n - 1, -1, -1):
            self.low <<= 1
            self.shifts += 1
            if v >> i & 1:
                self.low += self.range

    def terminate(self, v):
        self.range -= 2
        if not v:
            self.shift(9 - self.range.bit_length())
            return
        self.low += self.range

    def flush(self, bits):
        """What was coded, after terminate(1): the last bit is 1."""
        bits.u(9 + self.shifts, self.low | 1)
        bits.align(None)
        self.restart()


def diagonal(n):
    return [(x, s - x) for s in range(2 * n - 1) for x in range(n) if 0 <= s - x < n]


def scan(n, order):
    if order == 0:
        return diagonal(n)
    return [(i % n, i // n) if order == 1 else (i // n, i % n) for i in range(n * n)]


class Picture:
    def __init__(self, seed, **options):
        o = dict(width=96, height=80, chroma=1, depth=8, depth_chroma=None, ctb=5, min_cb=3, min_tb=2, max_tb=5, depth_intra=2,
                 columns=1, rows=1, uniform=1, wavefront=0, dependent=0, slices=0, pcm=0, pcm_unfiltered=0, skip=0,
                 max_skip=2, bypass=0, sign_hiding=0, delta_qp=None, offsets=0, offset_depth=0, cross=0, rdpcm=0,
                 rotation=0, skip_context=0, rice=0, smoothing_disabled=0, strong=1, scaling=0, sao=1, sao_shift=0,
                 deblock=1, across_slices=1, across_tiles=1, qp=20, chroma_qp=(0, 0), crop=(0, 0, 0, 0), extra=0,
                 idr=1, coefs=6, large=0.02, references=0, extension=0, override=1, across=None)
        o.update(options)
        self.__dict__.update(o)
        self.r = random.Random(seed)
        self.depth_chroma = self.depth_chroma or self.depth
        self.sub_x, self.sub_y = int(self.chroma in (1, 2)), int(self.chroma == 1)
        size = 1 << self.ctb
        self.wide, self.down = -(-self.width // size), -(-self.height // size)
        self.lay()

    def lay(self):
        def bounds(count, total):
            if self.uniform:
                return [i * total // count for i in range(count + 1)]
            return [0] + sorted(self.r.sample(range(1, total), count - 1)) + [total]
        self.cols, self.tile_rows = bounds(self.columns, self.wide), bounds(self.rows, self.down)
        self.order, self.tile = [], {}
        for j in range(self.rows):
            for i in range(self.columns):
                for y in range(self.tile_rows[j], self.tile_rows[j + 1]):
                    for x in range(self.cols[i], self.cols[i + 1]):
                        self.tile[x, y] = (i, j)
                        self.order.append((x, y))

    def chance(self, p):
        return self.r.random() < p

    # Parameter sets

    def profile(self, b):
        b.u(8, 4), b.u(32, 1 << 27), b.u(4, 9), b.u(43, 0), b.u(1, 0), b.u(8, 120)

    def vps(self):
        b = Bits()
        b.u(4, 0), b.u(2, 3), b.u(6, 0), b.u(3, 0), b.u(1, 1), b.u(16, 65535)
        self.profile(b)
        b.u(1, 1), b.ue(4), b.ue(0), b.ue(0), b.u(6, 0), b.ue(0), b.u(2, 0)
        b.align(1)
        return b.bytes()

    def sps(self):
        b = Bits()
        b.u(4, 0), b.u(3, 0), b.u(1, 1)
        self.profile(b)
        b.ue(0), b.ue(self.chroma)
        if self.chroma == 3:
            b.u(1, 0)
        b.ue(self.width), b.ue(self.height)
        b.u(1, int(any(self.crop)))
        if any(self.crop):
            for v in self.crop:
                b.ue(v)
        b.ue(self.depth - 8), b.ue(self.depth_chroma - 8), b.ue(4)
        b.u(1, 1), b.ue(4), b.ue(0), b.ue(0)
        b.ue(self.min_cb - 3), b.ue(self.ctb - self.min_cb), b.ue(self.min_tb - 2), b.ue(self.max_tb - self.min_tb)
        b.ue(0), b.ue(self.depth_intra)
        b.u(1, int(self.scaling > 0))
        if self.scaling:
            b.u(1, int(self.scaling > 1))
            if self.scaling > 1:
                self.lists(b)
        b.u(1, 0), b.u(1, self.sao), b.u(1, self.pcm)
        if self.pcm:
            self.pcm_depth = self.r.randint(1, self.depth), self.r.randint(1, self.depth_chroma)
            b.u(4, self.pcm_depth[0] - 1), b.u(4, self.pcm_depth[1] - 1)
            self.pcm_max = min(self.ctb, 5)
            b.ue(self.min_cb - 3), b.ue(self.pcm_max - self.min_cb), b.u(1, self.pcm_unfiltered)
        if self.references:
            b.ue(3)
            b.ue(2), b.ue(1)
            for _ in range(3):
                b.ue(1), b.u(1, 1)
            b.u(1, 1), b.u(1, 0), b.ue(0)
            for v in (1, 0, 1, 1):
                b.u(1, v)
                if not v:
                    b.u(1, 1)
            b.u(1, 0), b.ue(0), b.ue(0)
            b.u(1, 1), b.ue(2)
            for _ in range(2):
                b.u(8, 5), b.u(1, 0)
        else:
            b.ue(0), b.u(1, 0)
        b.u(1, self.references), b.u(1, self.strong), b.u(1, 0)
        is_range = self.rotation or self.skip_context or self.rdpcm or self.rice or self.smoothing_disabled
        b.u(1, int(bool(is_range)))
        if is_range:
            b.u(8, 128)
            for v in (self.rotation, self.skip_context, self.rdpcm, 0, 0, self.smoothing_disabled, 0, self.rice, 0):
                b.u(1, v)
        b.align(1)
        return b.bytes()

    def lists(self, b):
        for size in range(4):
            for i in range(0, 6, 3 if size == 3 else 1):
                if self.chance(0.4):
                    step = 3 if size == 3 else 1
                    b.u(1, 0), b.ue(self.r.randint(0, i // step))
                    continue
                b.u(1, 1)
                if size > 1:
                    b.se(self.r.randint(-7, 40))
                for _ in range(min(64, 16 << 2 * size)):
                    b.se(self.r.randint(-3, 4))

    def pps(self):
        b = Bits()
        b.ue(0), b.ue(0), b.u(1, self.dependent), b.u(1, int(self.extra > 0)), b.u(3, self.extra), b.u(1, self.sign_hiding)
        b.u(1, 0), b.ue(0), b.ue(0), b.se(self.qp - 26), b.u(1, 1), b.u(1, self.skip)
        b.u(1, int(self.delta_qp is not None))
        if self.delta_qp is not None:
            b.ue(self.delta_qp)
        b.se(self.chroma_qp[0]), b.se(self.chroma_qp[1]), b.u(1, 1), b.u(2, 0), b.u(1, self.bypass)
        tiles = int(self.columns * self.rows > 1)
        b.u(1, tiles), b.u(1, self.wavefront)
        if tiles:
            b.ue(self.columns - 1), b.ue(self.rows - 1), b.u(1, self.uniform)
            if not self.uniform:
                for bounds in (self.cols, self.tile_rows):
                    for i in range(len(bounds) - 2):
                        b.ue(bounds[i + 1] - bounds[i] - 1)
            b.u(1, self.across_tiles)
        b.u(1, self.across_slices)
        b.u(1, 1), b.u(1, 1), b.u(1, int(not self.deblock))
        if self.deblock:
            b.se(self.r.randint(-6, 6)), b.se(self.r.randint(-6, 6))
        b.u(1, int(self.scaling > 2))
        if self.scaling > 2:
            self.lists(b)
        b.u(1, 0), b.ue(0), b.u(1, self.extension)
        is_range = self.max_skip > 2 or self.cross or self.offsets or self.sao_shift
        b.u(1, int(bool(is_range)))
        if is_range:
            b.u(8, 128)
            if self.skip:
                b.ue(self.max_skip - 2)
            b.u(1, self.cross), b.u(1, int(self.offsets > 0))
            if self.offsets:
                b.ue(self.offset_depth), b.ue(self.offsets - 1)
                for _ in range(self.offsets):
                    b.se(self.r.randint(-12, 12)), b.se(self.r.randint(-12, 12))
            b.ue(min(self.sao_shift, max(0, self.depth - 10))), b.ue(min(self.sao_shift, max(0, self.depth_chroma - 10)))
        b.align(1)
        return b.bytes()

    # Slices

    def stream(self):
        out = nal(32, self.vps()) + nal(33, self.sps()) + nal(34, self.pps())
        self.slice_of, self.depths, self.modes = {}, {}, {}
        at, number = 0, 0
        while at < len(self.order):
            is_dependent = self.dependent and at > 0 and self.may_continue(at) and self.chance(0.5)
            end = len(self.order)
            if self.slices:
                end = self.end_of_slice(at)
            if not is_dependent:
                number += 1
                self.slice_start = self.order[at]
                self.header = dict(sao=(self.sao and self.r.randint(0, 3), self.sao and self.chroma and self.r.randint(0, 3)),
                                   delta=self.r.randint(-4, 4), cb=self.r.randint(-3, 3), cr=self.r.randint(-3, 3),
                                   offsets=int(self.offsets > 0), override=int(self.override and self.chance(0.5)),
                                   disabled=int(self.chance(0.3)), beta=self.r.randint(-6, 6), tc=self.r.randint(-6, 6),
                                   across=self.r.randint(0, 1) if self.across is None else self.across)
            data, starts = self.segment(at, end, number, is_dependent)
            out += self.unit(at, is_dependent, data, starts)
            at = end
        return out

    def may_continue(self, at):
        """Whether a dependent slice segment may continue the slice: not into another tile, unless the slice has whole
        tiles only, which it has not here, and with wavefronts not into another row if the slice does not start one."""
        (x, y), (first_x, first_y) = self.order[at], self.slice_start
        if self.tile[x, y] != self.tile[first_x, first_y]:
            return False
        return not self.wavefront or y == first_y or first_x == self.cols[self.tile[x, y][0]]

    def end_of_slice(self, at):
        """Slices and tiles: all of a slice is in one tile, or all of a tile in one slice (6.3.1); with wavefronts, a slice
        that does not start a row ends in it (7.4.7.1)."""
        x, y = self.order[at]
        limit = at + self.r.randint(1, self.slices)
        ends_tile = at + 1
        while ends_tile < len(self.order) and self.tile[self.order[ends_tile]] == self.tile[x, y]:
            ends_tile += 1
        limit = min(limit, ends_tile)
        if self.wavefront and x != self.cols[self.tile[x, y][0]]:
            limit = min(limit, at + self.cols[self.tile[x, y][0] + 1] - x)
        return limit

    def unit(self, at, is_dependent, data, starts):
        h = self.header
        kind = 19 if self.idr else 21
        offsets = [0] * len(starts)
        for _ in range(3):
            b = Bits()
            b.u(1, int(at == 0)), b.u(1, 0), b.ue(0)
            if at > 0:
                if self.dependent:
                    b.u(1, int(is_dependent))
                x, y = self.order[at]
                b.u((self.wide * self.down - 1).bit_length(), y * self.wide + x)
            if not is_dependent:
                b.u(self.extra, 0), b.ue(2)
                if self.extra:
                    b.u(1, 1)
                if not self.idr:
                    self.reference_sets(b)
                if self.sao:
                    b.u(1, int(h["sao"][0] > 0))
                    if self.chroma:
                        b.u(1, int(h["sao"][1] > 0))
                b.se(h["delta"]), b.se(h["cb"]), b.se(h["cr"])
                if self.offsets:
                    b.u(1, 1)
                b.u(1, h["override"])
                disabled = int(not self.deblock)
                if h["override"]:
                    disabled = h["disabled"]
                    b.u(1, disabled)
                    if not disabled:
                        b.se(h["beta"]), b.se(h["tc"])
                if self.across_slices and (self.sao and (h["sao"][0] or h["sao"][1]) or not disabled):
                    b.u(1, h["across"])
            if self.columns * self.rows > 1 or self.wavefront:
                b.ue(len(offsets))
                if offsets:
                    b.ue(31)
                    for v in offsets:
                        b.u(32, max(v - 1, 0))
            if self.extension:
                b.ue(3), b.u(24, 0x030001)
            b.align(1)
            head = b.bytes()
            escaped, places = escape(head + data)
            n = len(head)
            marks = [0] + starts
            offsets = [places[n + marks[i + 1]] - places[n + marks[i]] for i in range(len(starts))]
        return b"\0\0\0\1" + bytes([kind << 1, 1]) + escaped

    def reference_sets(self, b):
        b.u(8, 0)
        if not self.references:
            b.u(1, 0), b.ue(0), b.ue(0)
            return
        # A set of its own, predicted from the second one of the SPS, which uses nothing.
        b.u(1, 0), b.u(1, 1), b.ue(1), b.u(1, 0), b.ue(0)
        for _ in range(5):
            b.u(1, 0), b.u(1, 0)
        b.ue(0), b.ue(0), b.u(1, 0)

    def segment(self, at, end, number, is_dependent):
        c = self.c = Coder()
        bits, starts = Bits(), []
        qp = self.slice_qp = self.qp + self.header["delta"]
        for i in range(at, end):
            x, y = self.order[i]
            self.slice_of[x, y] = number
            is_tile = i == 0 or self.tile[x, y] != self.tile[self.order[i - 1]]
            is_row = self.wavefront and x == self.cols[self.tile[x, y][0]]
            if i > at and (is_tile or is_row):
                c.terminate(1)
                c.flush(bits)
                starts.append(len(bits.b) // 8)
            if is_tile:
                c.init(qp)
            elif is_row:
                if self.available((x, y), (x + 1, y - 1)):
                    c.load(self.row_contexts)
                else:
                    c.init(qp)
            elif i == at:
                if is_dependent:
                    c.load(self.segment_contexts)
                else:
                    c.init(qp)
            self.bits = bits
            self.block(x, y)
            if self.wavefront and x == self.cols[self.tile[x, y][0]] + 1:
                self.row_contexts = c.save()
            c.terminate(int(i == end - 1))
        self.segment_contexts = c.save()
        c.flush(bits)
        return bits.bytes(), starts

    def available(self, a, b):
        return b in self.slice_of and self.slice_of[a] == self.slice_of[b] and self.tile[a] == self.tile[b]

    # Coding tree blocks

    def block(self, x, y):
        self.at = x, y
        self.has_left, self.has_up = self.available((x, y), (x - 1, y)), self.available((x, y), (x, y - 1))
        if self.sao and (self.header["sao"][0] or self.header["sao"][1]):
            self.sample_adaptive_offset()
        self.is_delta_coded = self.is_offset_coded = True
        self.tree(x << self.ctb, y << self.ctb, self.ctb, 0)

    def sample_adaptive_offset(self):
        c = self.c
        for has in (self.has_left, self.has_up):
            if has:
                merge = int(self.chance(0.3))
                c.bin("sao_merge", 0, merge)
                if merge:
                    return
        for plane in range(3 if self.chroma else 1):
            if not self.header["sao"][min(plane, 1)]:
                continue
            if plane < 2:
                kind = self.r.randint(0, 2)
                c.bin("sao_type", 0, int(kind > 0))
                if kind:
                    c.bypass(1, kind - 1)
            if not kind:
                continue
            most = (1 << min(self.depth if plane == 0 else self.depth_chroma, 10) - 5) - 1
            values = [self.r.randint(0, most) for _ in range(4)]
            for v in values:
                for _ in range(v):
                    c.bypass(1, 1)
                if v < most:
                    c.bypass(1, 0)
            if kind == 1:
                for v in values:
                    if v:
                        c.bypass(1, self.r.randint(0, 1))
                c.bypass(5, self.r.randint(0, 31))
            elif plane < 2:
                c.bypass(2, self.r.randint(0, 3))

    def tree(self, x, y, log, depth):
        size = 1 << log
        split = log > self.min_cb
        if split and x + size <= self.width and y + size <= self.height:
            split = self.chance(0.6)
            n = 0
            for dx, dy, has in ((-1, 0, self.has_left or x >> self.ctb << self.ctb != x), (0, -1, self.has_up or y >> self.ctb << self.ctb != y)):
                n += bool(has and self.depths[(x + dx) >> 3, (y + dy) >> 3] > depth)
            self.c.bin("split_cu", n, int(split))
        if self.delta_qp is not None and log >= self.ctb - self.delta_qp:
            self.is_delta_coded = False
        if self.offsets and log >= self.ctb - self.offset_depth:
            self.is_offset_coded = False
        if not split:
            self.unit_of(x, y, log, depth)
            return
        half = size // 2
        for dy in (0, half):
            for dx in (0, half):
                if x + dx < self.width and y + dy < self.height:
                    self.tree(x + dx, y + dy, log - 1, depth + 1)

    def unit_of(self, x, y, log, depth):
        c = self.c
        self.is_bypass = False
        if self.bypass:
            self.is_bypass = self.chance(0.25)
            c.bin("bypass", 0, int(self.is_bypass))
        self.is_split = False
        if log == self.min_cb:
            self.is_split = self.chance(0.5)
            c.bin("part", 0, int(not self.is_split))
        for j in range(1 << log >> 3):
            for i in range(1 << log >> 3):
                self.depths[(x >> 3) + i, (y >> 3) + j] = depth
        if not self.is_split and self.pcm and self.min_cb <= log <= self.pcm_max:
            is_pcm = self.chance(0.3)
            c.terminate(int(is_pcm))
            if is_pcm:
                c.flush(self.bits)
                self.samples(log)
                self.set_mode(x, y, log, 1)
                return
        self.prediction(x, y, log)
        self.max_depth = self.depth_intra + self.is_split
        self.transform_tree(x, y, x, y, log, 0, 0, 0, 1, 1)

    def samples(self, log):
        for plane in range(3 if self.chroma else 1):
            count, depth = 1 << 2 * log, self.pcm_depth[0]
            if plane:
                count, depth = count >> self.sub_x >> self.sub_y, self.pcm_depth[1]
            for _ in range(count):
                self.bits.u(depth, self.r.getrandbits(depth))
        self.bits.align(None)

    def set_mode(self, x, y, log, mode):
        for j in range(1 << log >> 2):
            for i in range(1 << log >> 2):
                self.modes[(x >> 2) + i, (y >> 2) + j] = mode

    def prediction(self, x, y, log):
        c = self.c
        parts = 4 if self.is_split else 1
        size = log - (parts == 4)
        flags = [self.r.randint(0, 1) for _ in range(parts)]
        for v in flags:
            c.bin("prev", 0, v)
        self.luma, self.chroma_mode, self.is_derived = [], [], []
        for i in range(parts):
            bx, by = x + (i & 1) * (1 << size), y + (i >> 1) * (1 << size)
            a = self.modes[(bx - 1) >> 2, by >> 2] if self.has_left or bx >> self.ctb << self.ctb != bx else 1
            b = self.modes[bx >> 2, (by - 1) >> 2] if by >> self.ctb << self.ctb != by else 1
            if a == b:
                most = [0, 1, 26] if a < 2 else [a, 2 + (a + 29) % 32, 2 + (a - 2 + 1) % 32]
            else:
                most = [a, b, next(v for v in (0, 1, 26) if v not in (a, b))]
            if flags[i]:
                k = self.r.randint(0, 2)
                c.bypass(1, int(k > 0))
                if k:
                    c.bypass(1, k - 1)
                mode = most[k]
            else:
                k = self.r.randint(0, 31)
                if self.rdpcm and self.chance(0.6):
                    for want in self.r.sample([10, 26], 2):
                        if want not in most:
                            k = want - sum(v < want for v in most)
                c.bypass(5, k)
                mode = k
                for v in sorted(most):
                    mode += mode >= v
            self.luma.append(mode)
            self.set_mode(bx, by, size, mode)
        if not self.chroma:
            return
        for i in range(parts if self.chroma == 3 else 1):
            k = self.r.choice([0, 1, 2, 3, 4, 4, 4])
            c.bin("chroma", 0, int(k < 4))
            if k < 4:
                c.bypass(2, k)
            mode = self.luma[i]
            if k < 4:
                mode = (0, 26, 10, 1)[k]
                if mode == self.luma[i]:
                    mode = 34
            if self.chroma == 2:
                mode = MODES_422[mode]
            self.chroma_mode.append(mode)
            self.is_derived.append(k == 4)

    def transform_tree(self, x, y, base_x, base_y, log, depth, index, part, cb, cr):
        c = self.c
        is_forced = self.is_split and depth == 0
        split = log > self.max_tb or is_forced
        if not split and log > self.min_tb and depth < self.max_depth:
            split = self.chance(0.5)
            c.bin("split_tu", 5 - log, int(split))
        if not self.chroma:
            cb = cr = 0
        elif log > 2 or self.chroma == 3:
            two = self.chroma == 2 and (not split or log == 3)
            cb, cr = self.chroma_flags(cb, depth, two), self.chroma_flags(cr, depth, two)
        if split:
            half = 1 << log >> 1
            for i in range(4):
                self.transform_tree(x + (i & 1) * half, y + (i >> 1) * half, x, y, log - 1, depth + 1, i,
                                    i if is_forced else part, cb, cr)
            return
        luma = int(self.chance(0.6))
        c.bin("cbf_luma", int(depth == 0), luma)
        if luma or cb or cr:
            if self.delta_qp is not None and not self.is_delta_coded:
                self.is_delta_coded = True
                self.write_delta()
            if self.offsets and (cb or cr) and not self.is_bypass and not self.is_offset_coded:
                self.is_offset_coded = True
                k = self.r.randint(-1, self.offsets - 1)
                c.bin("offset", 0, int(k >= 0))
                for i in range(min(k + 1, self.offsets - 1)) if k >= 0 else ():
                    c.bin("offset_index", 0, int(i < k))
        if luma:
            self.residual(0, log, self.luma[part])
        if self.chroma == 3:
            self.chroma_blocks(log, part, luma, cb, cr)
        elif self.chroma and log > 2:
            self.chroma_blocks(log - 1, 0, luma, cb, cr)
        elif self.chroma and index == 3:
            self.chroma_blocks(2, 0, 0, cb, cr)

    def chroma_flags(self, parent, depth, two):
        if not parent:
            return 0
        v = int(self.chance(0.6))
        self.c.bin("cbf_chroma", depth, v)
        if two:
            second = int(self.chance(0.6))
            self.c.bin("cbf_chroma", depth, second)
            v |= second << 1
        return v

    def chroma_blocks(self, log, part, luma, cb, cr):
        for plane, flags in ((1, cb), (2, cr)):
            if self.cross and luma and self.is_derived[part]:
                n = self.r.randint(0, 4)
                for i in range(min(n + 1, 4)):
                    self.c.bin("scale", 4 * (plane - 1) + i, int(i < n))
                if n:
                    self.c.bin("scale_sign", plane - 1, self.r.randint(0, 1))
            for i in range(2 if self.chroma == 2 else 1):
                if flags >> i & 1:
                    self.residual(plane, log, self.chroma_mode[part])

    def write_delta(self):
        c = self.c
        v = self.r.choice([0, 1, -1, 2, -3, 4, 5, -5, 7, -8, 10])
        n = abs(v)
        for i in range(min(n + 1, 5)):
            c.bin("dqp", min(i, 1), int(i < n))
        if n >= 5:
            self.exp_golomb(n - 5, 0)
        if n:
            c.bypass(1, int(v < 0))

    def exp_golomb(self, v, k):
        while v >= 1 << k:
            self.c.bypass(1, 1)
            v -= 1 << k
            k += 1
        self.c.bypass(1, 0)
        self.c.bypass(k, v)

    # Coefficients (7.3.8.11)

    def residual(self, plane, log, mode):
        c, r, n = self.c, self.r, 1 << log
        luma = plane == 0
        is_skipped = False
        if self.skip and not self.is_bypass and log <= self.max_skip:
            is_skipped = self.chance(0.5)
            c.bin("skip", int(not luma), int(is_skipped))
        is_flat = is_skipped or self.is_bypass
        order = 0
        if log == 2 or log == 3 and (luma or self.chroma == 3):
            order = 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0
        blocks, within = scan(n // 4, order), scan(4, order)
        levels = {}
        for _ in range(r.randint(1, self.coefs) if self.chance(0.8) else r.randint(1, n * n)):
            reach = n if self.chance(0.2) else max(1, n // 2)
            at = r.randrange(reach), r.randrange(reach)
            levels[at] = r.choice([1, 1, 1, 1, 2, 2, 3, 4, 6]) if not self.chance(self.large) else r.randint(1, 400)
        places = [(bx * 4 + x, by * 4 + y) for bx, by in blocks for x, y in within]
        last = max(i for i, at in enumerate(places) if at in levels)
        x, y = places[last]
        self.write_last(luma, log, (y, x) if order == 2 else (x, y))
        can_hide = self.sign_hiding and not self.is_bypass and not (self.rdpcm and is_flat and mode in (10, 26))
        coded, greater = set(), 1
        for i in range(last // 16, -1, -1):
            bx, by = blocks[i]
            around = int((bx + 1, by) in coded) | int((bx, by + 1) in coded) << 1
            here = [k for k in range(15, -1, -1) if places[16 * i + k] in levels]
            is_coded, infer = True, False
            if 0 < i < last // 16:
                is_coded = bool(here) or False
                c.bin("coded", min(around, 1) + 2 * (not luma), int(is_coded))
                infer = True
            if not is_coded:
                continue
            coded.add((bx, by))
            first = last % 16 - 1 if i == last // 16 else 15
            for k in range(first, -1, -1):
                if k == 0 and infer and here == [0]:
                    continue
                c.bin("sig", self.sig_context(luma, log, order, i, within[k], around, is_flat), int(k in here))
            if here:
                greater = self.write_levels([levels[places[16 * i + k]] for k in here], here, luma, i, i < last // 16,
                                            greater, can_hide, is_flat)

    def write_last(self, luma, log, at):
        suffixes = []
        for name, v in zip(("last_x", "last_y"), at):
            offset, shift = (3 * (log - 2) + (log - 1 >> 2), log + 1 >> 2) if luma else (15, log - 2)
            prefix, extra = v, None
            if v > 3:
                k = v.bit_length() - 2
                prefix, extra = 2 * k + 2 + (v >> k & 1), (k, v & (1 << k) - 1)
            for i in range(prefix):
                self.c.bin(name, offset + (i >> shift), 1)
            if prefix < 2 * log - 1:
                self.c.bin(name, offset + (prefix >> shift), 0)
            suffixes.append(extra)
        for extra in suffixes:
            if extra:
                self.c.bypass(*extra)

    def sig_context(self, luma, log, order, block, at, around, is_flat):
        x, y = at
        if self.skip_context and is_flat:
            return 42 if luma else 43
        if log == 2:
            v = MAP_4X4[min(4 * y + x, 14)]
        elif block == 0 and x + y == 0:
            v = 0
        else:
            v = (2 if x + y == 0 else 1 if x + y < 3 else 0, max(0, 2 - y), max(0, 2 - x), 2)[around]
            if luma:
                v += 3 * (block > 0) + ((9 if order == 0 else 15) if log == 3 else 21)
            else:
                v += 9 if log == 3 else 12
        return v if luma else 27 + v

    def write_levels(self, values, places, luma, block, is_later, greater, can_hide, is_flat):
        c = self.c
        group = (2 if block > 0 and luma else 0) + (is_later and greater == 0)
        greater, second = 1, None
        for i, v in enumerate(values[:8]):
            c.bin("greater1", 4 * group + greater + (0 if luma else 16), int(v > 1))
            if v > 1:
                greater = 0
                second = i if second is None else second
            elif 0 < greater < 3:
                greater += 1
        if second is not None:
            c.bin("greater2", group + (0 if luma else 4), int(values[second] > 2))
        is_hidden = can_hide and places[0] - places[-1] > 3
        for _ in range(len(values) - is_hidden):
            c.bypass(1, self.r.randint(0, 1))
        kind = 2 * luma + is_flat
        rice, is_first = self.c.rice[kind] // 4 if self.rice else 0, True
        for i, v in enumerate(values):
            base = 1 if i >= 8 else 3 if i == second else 2
            if v < base:
                continue
            self.write_rest(v - base, rice)
            if self.rice and is_first:
                state = self.c.rice[kind]
                if v - base >= 3 << state // 4:
                    self.c.rice[kind] += 1
                elif 2 * (v - base) < 1 << state // 4 and state > 0:
                    self.c.rice[kind] -= 1
            is_first = False
            if v > 3 << rice:
                rice = rice + 1 if self.rice else min(rice + 1, 4)
        return greater

    def write_rest(self, v, rice):
        c = self.c
        if v < 4 << rice:
            c.bypass((v >> rice) + 1, (1 << (v >> rice) + 1) - 2)
            c.bypass(rice, v & (1 << rice) - 1)
            return
        v -= 4 << rice
        prefix = 4
        while v >= 1 << prefix - 3 + rice:
            v -= 1 << prefix - 3 + rice
            prefix += 1
        c.bypass(prefix + 1, (1 << prefix + 1) - 2)
        c.bypass(prefix - 3 + rice, v)
