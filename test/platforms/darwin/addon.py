"""The addon, initialized in the emulator, and the verbs of it that steps need (lib/addon/native.ts describes them)."""

import struct

from cxx_string import Strings
from machine import Machine
from node_api import ENVIRONMENT, NULL_VALUE, BigInt, NodeApi, TypedArray
from system import System

KINDS = {"float32": "float32", "float64": "float64", "float16": "uint16", "bfloat16": "uint16"}
ITEM_BYTES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}


class Addon:
    """`providers` are classes that answer what neither the system nor Node-API does; `values` is for sysctl."""

    def __init__(self, path, architecture, providers=(), values=None):
        self.machine = Machine(path, architecture)
        self.api = NodeApi(self.machine)
        self.others = [provider(self.machine) for provider in providers]
        self.system = System(self.machine, values)
        self.machine.link([self.system, Strings(self.machine), self.api, *self.others])
        self.exports = {}
        self.machine.call(self.machine.exported("_napi_register_module_v1"), ENVIRONMENT, self.api.handle(self.exports))
        self.constants = self.call("constants")

    def call(self, name, *arguments):
        return self.api.call(self.exports[name], *arguments)

    def array(self, kind, form, *numbers):
        """A typed array of its own with these numbers, `form` being their letter in the struct module."""
        data = struct.pack(f"<{len(numbers)}{form}", *numbers)
        return TypedArray(kind, self.machine.place(data), len(numbers))

    def release(self, *arrays):
        for array in arrays:
            self.machine.free(array.address)


class Leaf:
    """Elements at an address of the test's choice, between bytes that nobody may write."""

    GUARD = b"\xa5" * 64

    def __init__(self, addon, dtype, data, misalignment=0):
        self.machine, self.dtype, self.size = addon.machine, dtype, len(data)
        self.block = self.machine.allocate(self.size + 256)
        self.address = self.block + 64 + misalignment
        self.machine.write(self.address - 64, self.GUARD + data + self.GUARD)

    def view(self):
        return TypedArray(KINDS[self.dtype], self.address, self.size // ITEM_BYTES[self.dtype])

    def data(self):
        whole = self.machine.read(self.address - 64, self.size + 128)
        assert whole[:64] == self.GUARD and whole[-64:] == self.GUARD, "written outside of the leaf"
        return whole[64:-64]

    def release(self):
        self.machine.free(self.block)


class Arena:
    """Whole pages for a GPU to wrap, with one leaf in them."""

    PAGE = 16384

    def __init__(self, addon, number, dtype, data, offset=0):
        self.machine, self.dtype, self.size = addon.machine, dtype, len(data)
        self.bytes = (offset + self.size + self.PAGE - 1) // self.PAGE * self.PAGE
        self.block = self.machine.allocate(self.bytes, self.PAGE)
        self.address = self.block + offset
        self.machine.write(self.address, data)
        self.given = {
            "id": BigInt(number),
            "pages": TypedArray("float64", self.block, self.bytes // 8),
        }

    view = Leaf.view

    def data(self):
        return self.machine.read(self.address, self.size)

    release = Leaf.release


class Step:
    """One parameter made ready for stepping; `v` is None where the optimizer keeps none."""

    def __init__(self, addon, options, parameter, gradient, v, target="cpu"):
        self.addon, self.options = addon, options
        leaves = [parameter, gradient, v]
        arenas = [leaf for leaf in leaves if isinstance(leaf, Arena)]
        places = [number for leaf in leaves for number in (arenas.index(leaf) if leaf in arenas else -1, -1)]
        dtypes, targets, columns = (addon.constants[name] for name in ("dtypes", "targets", "settings"))
        self.settings = addon.array("float64", "d", *[0.0] * len(columns))
        lists = {
            "dtypes": addon.array("uint8", "B", dtypes.index(parameter.dtype)),
            "places": addon.array("int32", "i", *places),
        }
        given = {
            "parameters": [parameter.view()],
            "gradients": [gradient.view()],
            "velocities": [v.view() if v else NULL_VALUE],
            "settings": self.settings,
            "target": targets.index(target),
            "arenas": [arena.given for arena in arenas],
        }
        self.tree = addon.call("prepareStep", {**given, **lists})
        addon.release(*lists.values())

    def run(self, learning_rate, flush=False):
        """Returns what the addon wrote of the step: an index of the outcomes, and the bytes that it copied."""
        options, machine = self.options, self.addon.machine
        numbers = [learning_rate, options["momentum"], options["weightDecay"], options["dampening"]]
        machine.write(self.settings.address, struct.pack("<6d", *numbers, options["nesterov"], flush))
        self.addon.call("step", self.tree)
        return tuple(map(int, struct.unpack("<2d", machine.read(self.settings.address + 48, 16))))

    def release(self):
        self.addon.call("release", self.tree)
        self.addon.api.finalize(self.tree)
        self.addon.release(self.settings)
