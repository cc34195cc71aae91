"""Steps that are more than plain, on the Metal of a Mac's addon: they leave what those on its CPU do.

The first of each kind proves the device, which compares every kernel with the CPU.
"""

import unittest

import numpy

from addon import Arena, Step
from kernels import narrowed
from test_cpu import PLAIN_MOMENTUM
from test_metal import new_addon

COUNT = 9001  # several blocks of a norm, and no whole number of vectors


def setUpModule():
    global addon, metal
    addon, metal = new_addon()


class Case:
    """Two steps of the same leaves for every target. `dtypes` are those of the gradients."""

    FIRST_GRADIENT = 10

    def __init__(self, dtype, dtypes, roles=(), **numbers):
        self.dtype, self.dtypes, self.roles = dtype, dtypes, roles
        self.numbers = {"flushSubnormals": 1.0, **numbers}
        self.spoiled = None  # the number of a leaf with an infinite element

    def leaf(self, number, dtype):
        values = numpy.random.default_rng(number).normal(size=COUNT)
        if number == self.spoiled:
            values[COUNT // 2] = numpy.inf
        return Arena(addon, number, dtype, narrowed(dtype, values))

    def run(self, target):
        """Sets what is left in the leaves, and what the second step wrote of itself and sent."""
        parameter, v = self.leaf(1, self.dtype), self.leaf(2, "float32" if "master" in self.roles else self.dtype)
        more = {role: self.leaf(3 + i, "float32") for i, role in enumerate(self.roles)}
        gradient, *added = (self.leaf(self.FIRST_GRADIENT + i, dtype) for i, dtype in enumerate(self.dtypes))
        leaves = [parameter, v, *more.values(), gradient, *added]
        step = Step(addon, PLAIN_MOMENTUM, parameter, gradient, v, target, added, more, **self.numbers)
        step.run(0.1)
        metal.sent.clear()
        self.report, self.written, self.sent = step.run(0.05), step.written(), list(metal.sent)
        self.data = [leaf.data() for leaf in leaves]
        step.release()
        for leaf in leaves:
            leaf.release()


class General(unittest.TestCase):
    def check(self, case, verdict, barriers):
        case.run("cpu")
        data, written = case.data, case.written
        case.run("gpu")
        self.assertEqual(case.report, ("gpuAsked", 0))
        self.assertEqual([mine == other for mine, other in zip(case.data, data)], [True] * len(data))
        self.assertEqual(case.written["verdict"], addon.constants["verdicts"].index(verdict))
        for name in ("verdict", "gradientNorm", "gradientMax"):
            self.assertEqual(repr(case.written[name]), repr(written[name]))  # NaN where nothing is measured
        self.assertEqual(case.sent.count("CommandQueue commandBuffer"), 1)
        self.assertEqual(case.sent.count("ComputeCommandEncoder memoryBarrierWithScope:"), barriers)

    def test_mean_clipped_by_the_norm(self):
        case = Case("float32", ["float32", "float16", "bfloat16"], divisor=3.0, maxNorm=1.0, clipValue=0.02)
        self.check(case, "clipped", barriers=6)

    def test_not_finite(self):
        case = Case("float32", ["float32", "float32"], nonFinite=float(addon.constants["nonFinite"].index("skip")))
        self.check(case, "stepped", barriers=6)
        case.spoiled = Case.FIRST_GRADIENT + 1
        self.check(case, "skipped", barriers=6)

    def test_masters_and_averages(self):
        case = Case("bfloat16", ["float32"], ("master", "average"), emaDecay=0.9, maximize=1.0)
        self.check(case, "stepped", barriers=0)
