"""What the kernels must compute, in numpy, from the published rule. Subnormals are flushed, as Apple's GPUs do."""

import numpy

DECAY, NESTEROV, MOMENTUM = 4, 2, 1  # of SgdFlags
SMALLEST_NORMAL = 2.0**-126


def flushed(value):
    tiny = numpy.abs(value) < SMALLEST_NORMAL
    return numpy.where(tiny, numpy.copysign(0, value), value)


def rounded(value):
    return numpy.asarray(value, numpy.float64).astype(numpy.float32).astype(numpy.float64)


class Arithmetic:
    """In double, where products are exact, and sums that could be subnormal: flushed before it is rounded."""

    def __init__(self, flush_results):
        self.result = (lambda value: rounded(flushed(value))) if flush_results else rounded

    def plus(self, a, b):
        return self.result(flushed(rounded(a)) + flushed(rounded(b)))

    def times(self, a, b):
        return self.result(flushed(rounded(a)) * flushed(rounded(b)))


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


def step(dtype, params, w, g, v, flush_results=True):
    """`params` are the numbers of SgdParams; the new parameter and, with momentum, velocity. All arrays are bytes."""
    rate, momentum, decay, scale = params[:4]
    flags, arithmetic = params[4], Arithmetic(flush_results)
    plus, times = arithmetic.plus, arithmetic.times
    with numpy.errstate(all="ignore"):
        parameter, update = widened(dtype, w), widened(dtype, g)
        velocity = None
        if flags & DECAY:
            update = plus(update, times(decay, parameter))
        if flags & MOMENTUM:
            velocity = plus(times(momentum, widened(dtype, v)), times(scale, update))
            update = plus(update, times(momentum, velocity)) if flags & NESTEROV else velocity
        parameter = plus(parameter, -times(rate, update))
        return narrowed(dtype, parameter), v if velocity is None else narrowed(dtype, velocity)
