"""What each kernel needs bound, which bytes it reads and writes, and what it does with them."""

import re
import struct

import numpy

import general_kernels as general
import kernels
from addon import ITEM_BYTES

GROUP = 256
PLAIN_NAME = re.compile(r"sgd_(float32|float16|bfloat16)_(scalar|vector)_(plain|momentum)")
VECTOR_BYTES, ELEMENTS, TABLE_BYTES, ADDENDS = 16, 4, 256, 16


class Dispatch:
    """`bind` sets `threads` when it is encoded; `run` computes later."""

    def __init__(self, runtime, kernel, buffers, data):
        self.machine, self.arithmetic, self.kernel = runtime.machine, runtime.arithmetic, kernel
        self.buffers, self.data = dict(buffers), dict(data)
        self.reads, self.writes, self.threads = [], [], 0
        self.bind()

    def check_bound(self, buffers, data):
        assert sorted(self.buffers) == list(buffers) and sorted(self.data) == list(data)

    def numbers(self, index, layout):
        return struct.unpack(layout, self.data[index])

    def place(self, index, size, alignment, reads=True, writes=False):
        """The bytes from the buffer's offset on, as the kernel uses them."""
        buffer, offset = self.buffers[index]
        assert offset % alignment == 0 and offset + size <= buffer.size
        found = (buffer.start + offset, size)
        self.reads += [found] if reads else []
        self.writes += [found] if writes else []
        return found

    def array(self, place, form):
        return numpy.frombuffer(self.machine.read(*place), form)

    def store(self, place, data):
        assert len(data) == place[1]
        self.machine.write(place[0], data)


class Plain(Dispatch):
    def bind(self):
        self.dtype, shape, kind = PLAIN_NAME.fullmatch(self.kernel).groups()
        momentum = kind == "momentum"
        self.check_bound([0, 1, 2] if momentum else [0, 1], [3])
        self.params = self.numbers(3, "<4f2I")
        item, count = ITEM_BYTES[self.dtype], self.params[5]
        per_thread = VECTOR_BYTES // item if shape == "vector" else 1
        self.threads = -(-count // per_thread)
        place = lambda index, writes: self.place(index, count * item, per_thread * item, writes=writes)
        self.w, self.g, self.v = place(0, True), place(1, False), place(2, True) if momentum else None

    def run(self):
        read = [place and self.machine.read(*place) for place in (self.w, self.g, self.v)]
        w, v = kernels.step(self.arithmetic, self.dtype, self.params, *read)
        self.store(self.w, w)
        if self.v:
            self.store(self.v, v)


class General(Dispatch):
    STREAMS = {"gradient": 1, "velocity": 2, "master": 4, "average": 5}

    def bind(self):
        self.check_bound([0, 1, 2, 4, 5, 7, 8], [3, 6])
        numbers = self.numbers(3, "<5fI2f6I")
        self.before, self.params = general.Gradient(*numbers[:6]), general.General(*numbers[6:])
        self.rows = list(struct.iter_unpack("<4f2I", self.data[6]))
        params, flags = self.params, self.params.flags
        self.threads = -(-params.count // ELEMENTS)
        dtypes = {name: general.DTYPES[getattr(params, name)] for name in ("parameter", "gradient", "velocity")}
        has = {"velocity": general.VELOCITY, "master": general.MASTER, "average": general.AVERAGE}
        self.places = {}
        for name, index in {"parameter": 0, **self.STREAMS}.items():
            if name not in has or flags & has[name]:
                item = ITEM_BYTES[dtypes.get(name, "float32")]
                alignment = item * (ELEMENTS if flags & general.ALIGNED else 1)
                self.places[name] = self.place(index, params.count * item, alignment, writes=name != "gradient")
        self.item, self.table, self.result = ITEM_BYTES[dtypes["parameter"]], None, None
        if flags & general.GROUPS:
            self.table = self.place(7, -(-(params.phase + params.count) * self.item // TABLE_BYTES), 1)
        if flags & general.MEASURED:
            self.result = self.place(8, 16, 4)

    def run(self):
        row_of = numpy.zeros(self.params.count, int)
        if self.table:
            units = (self.params.phase + numpy.arange(self.params.count)) * self.item // TABLE_BYTES
            row_of = self.array(self.table, numpy.uint8)[units]
        result = self.result and general.Result(*struct.unpack("<2IfI", self.machine.read(*self.result)))
        old = {name: self.machine.read(*place) for name, place in self.places.items()}
        new = general.step_general(self.arithmetic, self.before, self.params, self.rows, row_of, result, old)
        for name, data in new.items():
            self.store(self.places[name], data)


class Sum(Dispatch):
    def bind(self):
        self.check_bound(range(ADDENDS + 1), [17])
        dtypes, gradients, flags, count = self.numbers(17, "<4I")
        self.threads = -(-count // ELEMENTS)
        self.dtypes = [general.DTYPES[dtypes >> 2 * k & 3] for k in range(gradients)]
        many = ELEMENTS if flags & general.ALIGNED else 1
        items = [ITEM_BYTES[dtype] for dtype in self.dtypes]
        self.gradients = [self.place(k, count * item, item * many) for k, item in enumerate(items)]
        self.carried = flags & general.CARRIED
        self.total = self.place(ADDENDS, count * 4, 4 * many, reads=self.carried, writes=True)

    def run(self):
        total = self.array(self.total, "<f4") if self.carried else None
        read = [kernels.widened(dtype, self.machine.read(*place)) for dtype, place in zip(self.dtypes, self.gradients)]
        self.store(self.total, general.sum_gradients(self.arithmetic, total, read))


class Norm(Dispatch):
    """Numbers come in pairs: sums and largest magnitudes."""

    def pair(self, index, count, writes=False):
        return [self.place(index + i, count * 4, 4, reads=not writes, writes=writes) for i in (0, 1)]

    def read_pair(self):
        return self.array(self.read[0], "<f4"), self.array(self.read[1], "<u4")

    def store_pair(self, *data):
        for place, one in zip(self.written, data):
            self.store(place, one)

    def store_blocks(self, lanes):
        """Sums and largest magnitudes of each block's lanes."""
        self.store_pair(*(b"".join(one) for one in zip(*lanes)))


class Lanes(Norm):
    def bind(self):
        self.check_bound(range(4), [4])
        *before, dtype, count = self.numbers(4, "<5f3I")
        self.before, self.dtype = general.Gradient(*before), general.DTYPES[dtype]
        self.threads, item = count * general.LANES, ITEM_BYTES[self.dtype]
        self.blocks = list(struct.iter_unpack("<2I", self.machine.read(*self.place(1, 8 * count, 4))))
        assert all(0 < size <= general.BLOCK for _, size in self.blocks)
        self.gradient = self.place(0, item * max(first + size for first, size in self.blocks), item)
        self.written = self.pair(2, self.threads, writes=True)

    def run(self):
        values = kernels.widened(self.dtype, self.machine.read(*self.gradient))
        self.store_blocks(
            general.norm_lanes(self.arithmetic, self.before, values[first : first + size])
            for first, size in self.blocks
        )


class Level(Norm):
    def bind(self):
        self.check_bound(range(4), [4])
        (self.count,) = self.numbers(4, "<I")
        self.threads = -(-self.count // general.BLOCK) * general.LANES
        self.read, self.written = self.pair(0, self.count), self.pair(2, self.threads, writes=True)

    def run(self):
        values, largest = self.read_pair()
        blocks = [slice(begin, begin + general.BLOCK) for begin in range(0, self.count, general.BLOCK)]
        self.store_blocks(general.lanes_of(self.arithmetic, values[block], largest[block]) for block in blocks)


class Halves(Norm):
    def bind(self):
        self.check_bound(range(4), [4])
        (self.threads,) = self.numbers(4, "<I")
        self.read = self.pair(0, self.threads * general.LANES)
        self.written = self.pair(2, self.threads, writes=True)

    def run(self):
        self.store_pair(*general.norm_halves(self.arithmetic, *self.read_pair()))


class Finish(Norm):
    def bind(self):
        self.check_bound(range(3), [4])
        self.params, self.threads = general.Finish(*self.numbers(4, "<2f3I")), 1
        self.read = self.pair(0, 1)
        self.result = self.place(2, 16, 4, reads=False, writes=True)

    def run(self):
        self.store(self.result, general.norm_finish(self.arithmetic, self.params, *self.read_pair()))


KERNELS = {
    "step_general": General,
    "sum_gradients": Sum,
    "norm_lanes": Lanes,
    "norm_level": Level,
    "norm_halves": Halves,
    "norm_finish": Finish,
}


def dispatch(runtime, kernel, buffers, data):
    return KERNELS.get(kernel, Plain)(runtime, kernel, buffers, data)
