"""What the kernels of general.metal and norm.metal must compute, in numpy. Arrays are bytes, as the GPU has them."""

from collections import namedtuple

import numpy

from kernels import MAXIMIZE, narrowed, rule, widened

DTYPES = {0: "float32", 2: "float16", 3: "bfloat16"}  # GpuDtype
LANES, BLOCK = 32, 4096

DIVIDE, MULTIPLY, SCALE, NORM, CLIP, NEGATE = 1, 2, 4, 8, 16, 32  # of GradientFlags
ALIGNED, VELOCITY, MASTER, AVERAGE, FIRST_AVERAGE, GROUPS, CARRIED, MEASURED = (1 << i for i in range(8))
CLIPS, SKIPS = 1, 2  # of NormFlags
INFINITE, ONE = 0x7F800000, 0x3F800000

Gradient = namedtuple("Gradient", "divisor reciprocal scale coefficient clip flags")
General = namedtuple("General", "decay rest parameter gradient velocity flags count phase")
Result = namedtuple("Result", "norm largest coefficient flags")
Finish = namedtuple("Finish", "most epsilon clips elements norm")


def bits(values):
    return numpy.ascontiguousarray(values, numpy.float32).view(numpy.uint32)


def magnitudes(values):
    return bits(values) & 0x7FFFFFFF


def gradient_rule(arithmetic, params, g):
    flags = params.flags
    if flags & DIVIDE:
        g = arithmetic.over(g, params.divisor)
    if flags & MULTIPLY:
        g = arithmetic.times(g, params.reciprocal)
    if flags & SCALE:
        g = arithmetic.times(g, params.scale)
    if flags & NORM:
        g = arithmetic.times(g, params.coefficient)
    if flags & CLIP:
        g = numpy.where(g < -params.clip, -params.clip, numpy.where(g > params.clip, params.clip, g))
    return -g if flags & NEGATE else g


def step_elements(arithmetic, before, params, row, old):
    """One row's step of every element; `old` has streams by their names."""
    if row[4] & MAXIMIZE:
        before = before._replace(flags=before.flags | NEGATE)
    dtype = DTYPES[params.parameter]
    w = widened(dtype, old["parameter"])
    if params.flags & MASTER:
        master = widened("float32", old["master"])
        rounded_master = widened(dtype, narrowed(dtype, master))
        w = numpy.where(bits(rounded_master) == bits(w), master, w)
    g = gradient_rule(arithmetic, before, widened(DTYPES[params.gradient], old["gradient"]))
    v = widened(DTYPES[params.velocity], old["velocity"]) if params.flags & VELOCITY else numpy.zeros(params.count)
    w, v = rule(arithmetic, row, w, g, v)
    new = {"parameter": narrowed(dtype, w)}
    if params.flags & VELOCITY:
        new["velocity"] = narrowed(DTYPES[params.velocity], v)
    if params.flags & MASTER:
        new["master"] = narrowed("float32", w)
    if params.flags & AVERAGE:
        kept = w if params.flags & MASTER else widened(dtype, new["parameter"])
        if not params.flags & FIRST_AVERAGE:
            average = arithmetic.times(params.decay, widened("float32", old["average"]))
            kept = arithmetic.plus(average, arithmetic.times(params.rest, kept))
        new["average"] = narrowed("float32", kept)
    return new


def step_general(arithmetic, before, params, rows, row_of, result, old):
    """The new streams by their names; none if the step is skipped. `row_of` has the row of each element."""
    if result:
        if result.flags & SKIPS:
            return {}
        clips = NORM if result.flags & CLIPS else 0
        before = before._replace(coefficient=result.coefficient, flags=before.flags | clips)
    by_row = [step_elements(arithmetic, before, params, row, old) for row in rows]
    new = {}
    for name in by_row[0]:
        stepped = [numpy.frombuffer(one[name], numpy.uint8).reshape(params.count, -1) for one in by_row]
        new[name] = numpy.stack(stepped)[row_of, numpy.arange(params.count)].tobytes()
    return new


def sum_gradients(arithmetic, total, gradients):
    """`total` is None where the first gradient is copied; else the sum goes on with it. `gradients` are values."""
    for gradient in gradients:
        total = gradient if total is None else arithmetic.plus(total, gradient)
    return narrowed("float32", total)


def lanes_of(arithmetic, values, largest):
    """Each lane's sum of its column of a block, and the largest magnitude there."""
    sums, most = numpy.zeros(LANES), numpy.zeros(LANES, numpy.uint32)
    for begin in range(0, len(values), LANES):
        row = values[begin : begin + LANES]
        sums[: len(row)] = arithmetic.plus(sums[: len(row)], row)
        most[: len(row)] = numpy.maximum(most[: len(row)], largest[begin : begin + LANES])
    return narrowed("float32", sums), most.tobytes()


def norm_lanes(arithmetic, before, values):
    """Of one block of gradients."""
    g = gradient_rule(arithmetic, before, values)
    return lanes_of(arithmetic, arithmetic.times(g, g), magnitudes(g))


def norm_halves(arithmetic, sums, largest):
    """The sum of the lanes of each block."""
    sums, half = sums.reshape(-1, LANES), LANES // 2
    while half:
        sums = arithmetic.plus(sums[:, :half], sums[:, half : 2 * half])
        half //= 2
    return narrowed("float32", sums), largest.reshape(-1, LANES).max(axis=1).tobytes()


def norm_finish(arithmetic, params, total, largest):
    """The words of the result."""
    norm = arithmetic.root(total)
    coefficient = arithmetic.over(params.most, arithmetic.plus(norm, params.epsilon))
    words = [int(bits(norm)[0]), int(largest[0]), int(bits(coefficient)[0])]
    skips = (params.elements and words[1] >= INFINITE) or (params.norm and words[0] & 0x7FFFFFFF >= INFINITE)
    clips = params.clips and not ONE <= words[2] <= INFINITE
    return numpy.array([*words, SKIPS if skips else CLIPS if clips else 0], "<u4").tobytes()
