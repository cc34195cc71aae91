"""What the kernels must compute, in numpy, from the published rule. Subnormals are flushed, as Apple's GPUs do."""

import numpy

MOMENTUM, NESTEROV, DECAY, FIRST, MAXIMIZE = 1, 2, 4, 8, 16  # of SgdFlags
SMALLEST_NORMAL = 2.0**-126

numpy.seterr(all="ignore")  # infinities and NaN are values like others


def flushed(value):
    tiny = numpy.abs(value) < SMALLEST_NORMAL
    return numpy.where(tiny, numpy.copysign(0, value), value)


def rounded(value):
    return numpy.asarray(value, numpy.float64).astype(numpy.float32).astype(numpy.float64)


class Arithmetic:
    """In double, which has so many digits that to round its results again changes none.

    Products are exact there, and so are sums that could be subnormal: flushed before they are rounded.
    """

    def __init__(self, flush_results):
        self.result = (lambda value: rounded(flushed(value))) if flush_results else rounded

    def plus(self, a, b):
        return self.result(flushed(rounded(a)) + flushed(rounded(b)))

    def times(self, a, b):
        return self.result(flushed(rounded(a)) * flushed(rounded(b)))

    def over(self, a, b):
        return self.result(flushed(rounded(a)) / flushed(rounded(b)))

    def root(self, a):
        return self.result(numpy.sqrt(flushed(rounded(a))))


def widened(dtype, data):
    if dtype == "bfloat16":
        return (numpy.frombuffer(data, "<u2").astype(numpy.uint32) << 16).view(numpy.float32)
    return numpy.frombuffer(data, "<f4" if dtype == "float32" else "<f2").astype(numpy.float32)


def narrowed(dtype, values):
    values = numpy.ascontiguousarray(values, numpy.float32)
    if dtype == "float32":
        return values.tobytes()
    if dtype == "float16":
        return values.astype(numpy.float16).tobytes()
    bits = values.view(numpy.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return numpy.where(numpy.isnan(values), (bits >> 16) | 0x40, rounded).astype("<u2").tobytes()


def rule(arithmetic, params, w, g, v):
    """The new parameter, and the velocity, which is the old one without momentum. `params` are those of SgdParams."""
    rate, momentum, decay, scale, flags = params[:5]
    plus, times = arithmetic.plus, arithmetic.times
    if flags & DECAY:
        g = plus(g, times(decay, w))
    update = g
    if flags & MOMENTUM:
        v = g if flags & FIRST else plus(times(momentum, v), times(scale, g))
        update = plus(g, times(momentum, v)) if flags & NESTEROV else v
    return plus(w, -times(rate, update)), v


def step(arithmetic, dtype, params, w, g, v):
    """The new parameter and, with momentum, velocity. All arrays are bytes."""
    velocity = None if v is None else widened(dtype, v)
    parameter, velocity = rule(arithmetic, params, widened(dtype, w), widened(dtype, g), velocity)
    return narrowed(dtype, parameter), v if velocity is None else narrowed(dtype, velocity)
