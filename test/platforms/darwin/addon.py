"""The addon, initialized in the emulator, and the verbs of it that steps need (lib/addon/native.ts describes them)."""

import struct
from math import nan

from cxx_string import Strings
from event_loop import EventLoop
from machine import Machine
from node_api import ENVIRONMENT, NULL_VALUE, BigInt, NodeApi, TypedArray
from system import System

KINDS = {"float32": "float32", "float64": "float64", "float16": "uint16", "bfloat16": "uint16"}
ITEM_BYTES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}


class Addon:
    """`providers` are classes that answer what neither the system nor Node-API does; the rest is System's."""

    def __init__(self, path, architecture, providers=(), values=None, environment=None):
        self.machine = Machine(path, architecture)
        self.api = NodeApi(self.machine)
        self.loop = EventLoop(self.machine, self.api)
        self.others = [provider(self.machine) for provider in providers]
        self.system = System(self.machine, values, environment)
        self.machine.link([self.system, Strings(self.machine), self.api, self.loop, *self.others])
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
        self.block = self.machine.allocate(64 + misalignment + self.size + 64)
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
    """One parameter made ready for stepping; `v` is None where the optimizer keeps none.

    `added` are further gradients; `more` has other roles' leaves, `numbers` other columns of the settings row.
    """

    HYPERPARAMETERS = ("momentum", "weightDecay", "dampening", "nesterov")
    WITHOUT_EFFECT = {"divisor": 1.0, "gradientScale": 1.0, "maxNorm": nan}  # where that is not zero

    def __init__(self, addon, options, parameter, gradient, v, target="cpu", added=(), more=None, **numbers):
        self.addon = addon
        roles, columns, dtypes = (addon.constants[name] for name in ("roles", "settings", "dtypes"))
        given = {name: float(options[name]) for name in self.HYPERPARAMETERS}
        self.numbers = dict.fromkeys(columns, 0.0) | self.WITHOUT_EFFECT | given | numbers
        self.settings = addon.array("float64", "d", *self.numbers.values())
        by_role = {"parameter": parameter, "velocity": v, **(more or {})}
        leaves = [by_role.get(role) for role in roles] + [gradient, *added]
        arenas = [leaf for leaf in leaves if isinstance(leaf, Arena)]
        # -1 for the number of each leaf in its arena: there is nothing to join.
        places = [number for leaf in leaves for number in (arenas.index(leaf) if leaf in arenas else -1, -1)]
        lists = {
            "dtypes": addon.array("uint8", "B", *(dtypes.index(leaf.dtype) if leaf else 0 for leaf in leaves)),
            "places": addon.array("int32", "i", *places),
            "groups": addon.array("uint8", "B", 0),
            "first": addon.array("uint8", "B", 0),
        }
        others = {
            "arrays": [leaf.view() if leaf else NULL_VALUE for leaf in leaves],
            "width": len(leaves),
            "settings": self.settings,
            "target": addon.constants["targets"].index(target),
            "choices": NULL_VALUE,
            "measures": "maxNorm" in numbers or "nonFinite" in numbers,
            "arenas": [arena.given for arena in arenas],
        }
        self.tree = addon.call("prepareStep", lists | others)
        addon.release(*lists.values())

    def run(self, learning_rate):
        """Returns what `report` does."""
        self._set(learning_rate)
        self.addon.call("step", self.tree)
        return self.report()

    def start(self, learning_rate):
        """Returns the promise of an asynchronous step."""
        self._set(learning_rate)
        return self.addon.call("stepAsync", self.tree, {})

    def _set(self, learning_rate):
        self.numbers["learningRate"] = learning_rate
        row = struct.pack(f"<{len(self.numbers)}d", *self.numbers.values())
        self.addon.machine.write(self.settings.address, row)

    def written(self):
        """The settings row after a step, by its columns."""
        row = self.addon.machine.read(self.settings.address, 8 * len(self.numbers))
        return dict(zip(self.numbers, struct.unpack(f"<{len(self.numbers)}d", row)))

    def report(self):
        """What the addon wrote of the last step: its outcome, and the bytes that it copied."""
        found = self.written()
        return self.addon.constants["outcomes"][int(found["outcome"])], int(found["copiedBytes"])

    def release(self):
        self.addon.call("release", self.tree)
        self.addon.api.finalize(self.tree)
        self.addon.release(self.settings)
