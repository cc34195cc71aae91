"""The Metal backend of a Mac's addon, over a device of Python's: what it sends, in which order, and what comes of it."""

import unittest
import unittest.mock
from math import inf

import kernels
from addon import ITEM_BYTES, Addon, Arena, Leaf, Step
from golden import difference, golden_cases
from metal import Device, Metal
from system import CxxThrow
from test_cpu import ADDON, ARCHITECTURE, INSTRUCTION_SETS, PLAIN_MOMENTUM

# A step of one leaf, once all is warm; between the two the host looks whether it is done.
SENDING = """
CommandQueue commandBuffer
CommandBuffer computeCommandEncoderWithDispatchType:
CommandBuffer setLabel:
ComputeCommandEncoder setComputePipelineState:
ComputeCommandEncoder setBuffer:offset:atIndex:
ComputeCommandEncoder setBuffer:offset:atIndex:
ComputeCommandEncoder setBuffer:offset:atIndex:
ComputeCommandEncoder setBytes:length:atIndex:
Pipeline maxTotalThreadsPerThreadgroup
ComputeCommandEncoder dispatchThreads:threadsPerThreadgroup:
ComputeCommandEncoder endEncoding
CommandBuffer commit
""".split("\n")[1:-1]
WAITING = """
CommandBuffer waitUntilCompleted
CommandBuffer status
CommandBuffer GPUEndTime
CommandBuffer GPUStartTime
""".split("\n")[1:-1]


def new_addon(environment=None):
    made = Addon(ADDON, ARCHITECTURE, [Metal], environment=environment)
    return made, made.others[0]


def gpu_cases():
    """Those that meet no subnormals, which a GPU flushes."""
    return [case for case in golden_cases() if case["dtype"] != "float64" and not case["meets_subnormals"]]


def setUpModule():
    global addon, metal
    addon, metal = new_addon()
    for dtype in ("float32", "float16", "bfloat16"):  # proves the device, and makes what lives as long as the process
        for momentum in (0, 0.9):
            leaves = [Arena(addon, number, dtype, bytes(16)) for number in (1, 2, 3)]
            step = Step(addon, PLAIN_MOMENTUM | {"momentum": momentum}, *leaves, target="gpu")
            step.run(0.1)
            step.release()
            for leaf in leaves:
                leaf.release()


class Machine(unittest.TestCase):
    def test_machine(self):
        found = {**addon.call("machine"), **addon.call("gpus")}
        gpu = {"name": Device.NAME, "unifiedMemory": True, "recommendedWorkingSet": float(Device.WORKING_SET)}
        self.assertEqual(found["gpus"], [gpu | {"maxBufferLength": float(Device.LARGEST_BUFFER)}])
        self.assertEqual(found["instructionSets"], INSTRUCTION_SETS[ARCHITECTURE])
        self.assertEqual((found["threads"], found["whyNoGpu"]), (1, ""))

    def test_nothing_of_metal_is_touched_before_it_is_asked_for(self):
        self.assertEqual(new_addon()[1].sent, [])

    def test_a_device_that_computes_wrongly_is_refused(self):
        """It throws, and nothing of the caller's was written."""
        other, _ = new_addon()
        right = kernels.step
        wrong = lambda arithmetic, dtype, params, *rest: right(arithmetic, dtype, (params[0], 0.8, *params[2:]), *rest)
        leaves = [Arena(other, number, "float32", b"\1\2\3\4" * 8) for number in (1, 2, 3)]
        step = Step(other, PLAIN_MOMENTUM, *leaves, target="gpu")
        with self.assertRaises(CxxThrow), unittest.mock.patch.object(kernels, "step", wrong):
            step.run(0.1)
        self.assertEqual([leaf.data() for leaf in leaves], [b"\1\2\3\4" * 8] * 3)


class Golden(unittest.TestCase):
    """One case of the fixtures in arenas, on and off 16 bytes, and in other memory, which is copied there and back."""

    def __init__(self, case):
        super().__init__("walk")
        self.case = case

    def id(self):
        return f"{self.case['name']} on Metal"

    def walk(self):
        item = ITEM_BYTES[self.case["dtype"]]
        objects = len(metal.objects)
        self.walk_in(lambda number, data: Arena(addon, number, self.case["dtype"], data))
        self.walk_in(lambda number, data: Arena(addon, number, self.case["dtype"], data, item * number))
        self.walk_in(lambda number, data: Leaf(addon, self.case["dtype"], data, item * number))
        self.assertEqual(len(metal.objects), objects, "objects of Metal's are left over")

    def walk_in(self, make):
        dtype, options, steps = self.case["dtype"], self.case["options"], self.case["steps"]
        momentum = options["momentum"] > 0
        nothing = bytes(len(self.case["parameter"]))
        leaves = [make(1, self.case["parameter"]), make(2, nothing), make(3, nothing) if momentum else None]
        parameter, gradient, v = leaves
        streams = (5 if momentum else 3) if isinstance(parameter, Leaf) else 0
        step = Step(addon, options, *leaves, target="gpu")
        for i, (rate, gradient_data, expected, expected_v) in enumerate(steps):
            addon.machine.write(gradient.address, gradient_data)
            self.assertEqual(step.run(rate), ("gpuAsked", streams * len(nothing)))
            self.assertIsNone(difference(dtype, parameter.data(), expected), f"parameter, step {i + 1}")
            self.assertEqual(gradient.data(), gradient_data, f"gradient, step {i + 1}")
            if v:
                self.assertIsNone(difference(dtype, v.data(), expected_v), f"v, step {i + 1}")
        step.release()
        for leaf in filter(None, leaves):
            leaf.release()


class Messages(unittest.TestCase):
    def check(self, addon, metal, looks, yields=0):
        leaves = [Arena(addon, number, "float32", bytes(4000)) for number in (1, 2, 3)]
        step = Step(addon, PLAIN_MOMENTUM, *leaves, target="gpu")
        step.run(0.1)
        metal.sent.clear()
        addon.system.yields = 0
        step.run(0.1)
        self.assertEqual(metal.sent, SENDING + ["CommandBuffer status"] * looks + WAITING)
        self.assertEqual(addon.system.yields, yields)
        step.release()

    def test_a_warm_step(self):
        self.check(addon, metal, looks=metal.looks)

    def test_a_long_step(self):
        """In the end the thread blocks, but first it gives way to others."""
        with unittest.mock.patch.object(metal, "looks", inf):
            self.check(addon, metal, looks=256, yields=256 - 32)

    def test_a_step_that_blocks_at_once(self):
        self.check(*new_addon({"METAL_SGD_SWITCHES": "isb,block"}), looks=0)


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in (Machine, Messages)])
    suite.addTests(Golden(case) for case in gpu_cases())
    return suite
