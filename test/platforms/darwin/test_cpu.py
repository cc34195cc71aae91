"""The CPU backend of a Mac's addon: the golden values, whole and in parts of every size and alignment."""

import os
import re
import struct
import unittest
from pathlib import Path

from addon import ITEM_BYTES, Addon, Leaf, Step
from golden import difference, golden_cases, repeated

ADDON, ARCHITECTURE = os.environ["METAL_SGD_ADDON"], os.environ["METAL_SGD_ARCHITECTURE"]
INSTRUCTION_SETS = {"arm64": ["NEON"], "x64": ["SSE2"]}  # unicorn has no AVX

PLAIN_MOMENTUM = {"momentum": 0.9, "weightDecay": 0, "dampening": 0, "nesterov": False}

# Around every vector width, and around the blocks of the 16-bit loops.
SIZES = [*range(35), 63, 64, 65, 127, 128, 129, 130, 131, 191, 192, 193, 255, 256, 257, 383, 384, 385]


def declared_verbs():
    """The verbs that lib/addon/native.ts declares."""
    text = (Path(__file__).parents[3] / "lib" / "addon" / "native.ts").read_text()
    body = text.split("export interface Native {")[1].split("\n}")[0]
    return re.findall(r"^  (\w+)\(", body, re.MULTILINE)


def setUpModule():
    global addon
    addon = Addon(ADDON, ARCHITECTURE)  # nothing answers for Metal: to call it fails
    # A first step, which makes what lives as long as the process.
    Golden(next(golden_cases()), []).walk_part(0, 1, 0)


class Machine(unittest.TestCase):
    def test_exports(self):
        self.assertEqual(sorted(addon.exports), sorted(declared_verbs()))

    def test_stays_loaded(self):
        lazy, only_if_loaded = 0x1, 0x10  # RTLD_LAZY and RTLD_NOLOAD of macOS
        self.assertEqual(addon.system.kept, [("addon.node", lazy | only_if_loaded)])

    def test_threads_are_the_fast_cores(self):
        """Macs with processors of Intel's have no levels."""
        levels = {"hw.perflevel0.physicalcpu": 4, "hw.perflevel1.physicalcpu": 4}
        for values, threads in (
            ({"hw.physicalcpu": 8, **levels}, 4),
            ({"hw.physicalcpu": 6}, 6),
            ({"hw.physicalcpu": None}, 1),
        ):
            with self.subTest(values):
                self.assertEqual(Addon(ADDON, ARCHITECTURE, values=values).call("machine")["threads"], threads)

    def test_addresses(self):
        arrays = [Leaf(addon, "float32", bytes(8), shift) for shift in (0, 4, 12)]
        found = addon.call("addresses", [array.view() for array in arrays])
        addresses = struct.unpack("<3d", addon.machine.read(found.address, 24))
        self.assertEqual(addresses, tuple(array.address for array in arrays))

    def test_external_memory(self):
        addon.call("adjustExternalMemory", 1 << 33)
        addon.call("adjustExternalMemory", -1000)
        self.assertEqual(addon.api.external_memory, (1 << 33) - 1000)


class Threads(unittest.TestCase):
    FOR_FAST_CORES = (0x19, 0)  # QOS_CLASS_USER_INITIATED, as high as that class goes

    def test_workers(self):
        other = Addon(ADDON, ARCHITECTURE, values={"hw.physicalcpu": 3})
        leaves = [Leaf(other, "float32", bytes(1 << 20)) for _ in range(3)]  # large enough to wake threads
        step = Step(other, PLAIN_MOMENTUM, *leaves)
        step.run(0.1)
        self.assertEqual(len(other.system.threads), 2)
        other.system.run_threads()
        self.assertEqual(other.system.qualities, [self.FOR_FAST_CORES] * 2)

    def test_asynchronous_step(self):
        other = Addon(ADDON, ARCHITECTURE)
        ones = struct.pack("<4f", 1, 1, 1, 1)
        parameter, gradient, v = (Leaf(other, "float32", data) for data in (ones, ones, bytes(16)))
        step = Step(other, PLAIN_MOMENTUM, parameter, gradient, v)
        promise = step.start(0.5)
        self.assertEqual((parameter.data(), other.system.qualities), (ones, []))
        other.system.run_threads()
        self.assertEqual(other.system.qualities, [self.FOR_FAST_CORES])
        self.assertEqual((parameter.data(), v.data()), (struct.pack("<4f", 0.5, 0.5, 0.5, 0.5), ones))
        self.assertEqual((promise.is_resolved, other.loop.is_kept(), len(other.loop.references)), (False, True, 1))
        other.loop.run()
        self.assertEqual((promise.is_resolved, other.loop.is_kept(), len(other.loop.references)), (True, False, 0))
        self.assertEqual(step.report(), ("cpuAsked", 0))


class Golden(unittest.TestCase):
    """One case of the fixtures; elements `begin` to `begin + count` of it, each array elsewhere on its 16 bytes."""

    def __init__(self, case, parts):
        super().__init__("walk")
        self.case, self.parts = case, parts

    def id(self):
        return f"{self.case['name']}, {len(self.parts)} parts"

    def walk(self):
        in_use = len(addon.machine.blocks)
        for begin, count, shift in self.parts:
            self.walk_part(begin, count, shift)
        self.assertEqual(len(addon.machine.blocks), in_use, "memory of the addon's is left over")

    def walk_part(self, begin, count, shift):
        dtype, options, steps = self.case["dtype"], self.case["options"], self.case["steps"]
        item = ITEM_BYTES[dtype]
        part = lambda data: repeated(data, item, begin, count)
        momentum = options["momentum"] > 0
        parameter = Leaf(addon, dtype, part(self.case["parameter"]), shift * item)
        gradient = Leaf(addon, dtype, bytes(count * item), (shift + 1) * item)
        v = Leaf(addon, dtype, bytes(count * item), (shift + 3) * item) if momentum else None
        step = Step(addon, options, parameter, gradient, v)
        for i, (rate, gradient_data, expected, expected_v) in enumerate(steps):
            addon.machine.write(gradient.address, part(gradient_data))
            self.assertEqual(step.run(rate), ("cpuAsked", 0))
            what = f"{count} elements from {begin} on, step {i + 1}"
            self.assertIsNone(difference(dtype, parameter.data(), part(expected)), f"parameter, {what}")
            self.assertEqual(gradient.data(), part(gradient_data), f"gradient, {what}")
            self.assertEqual(momentum, expected_v is not None)
            if v:
                self.assertIsNone(difference(dtype, v.data(), part(expected_v)), f"v, {what}")
        step.release()
        for leaf in filter(None, (parameter, gradient, v)):
            leaf.release()


def kernel_of(case):
    """What chooses the loop that steps it."""
    options = case["options"]
    return case["dtype"], options["momentum"] > 0, options["nesterov"], options["weightDecay"] != 0


def parts_of_kernel(cases):
    """Every size and, beside it, every misalignment, dealt out to the cases that the same loop steps."""
    parts = [(size, size, i % 16) for i, size in enumerate(SIZES)]
    return [(case, parts[i :: len(cases)]) for i, case in enumerate(cases)]


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in (Machine, Threads)])
    kernels = {}
    for case in golden_cases():
        kernels.setdefault(kernel_of(case), []).append(case)
    for cases in kernels.values():
        suite.addTests(Golden(case, [(0, case["size"], 0)]) for case in cases)
        suite.addTests(Golden(case, parts) for case, parts in parts_of_kernel(cases))
        # Large enough for several chunks of the thread pool.
        suite.addTest(Golden(cases[0], [(0, 30_003, 1)]))
    return suite


if __name__ == "__main__":
    unittest.main(verbosity=1)
