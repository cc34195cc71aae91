"""A Mach-O bundle in an emulated processor; every function that it imports is a Python function.

No operating system and no library runs here: a provider (system.py, node_api.py, metal.py) answers each import.
"""

import inspect
import struct

import lief
import unicorn

from processors import PROCESSORS

PAGE = 0x4000
IMAGE, STACK, HEAP, RETURN, TRAPS = (index << 32 for index in range(1, 6))
STACK_BYTES, HEAP_BYTES, TRAP_BYTES = 1 << 20, 1 << 28, 1 << 16


def rounded_up(number, multiple):
    return (number + multiple - 1) // multiple * multiple


class Machine:
    """Memory, calls into the image, and calls out of it."""

    def __init__(self, path, architecture):
        self.processor = PROCESSORS[architecture]()
        self.engine = self.processor.engine
        self.next_free = HEAP
        self.blocks = {}  # address of each block in use: its size
        self.unused = {}  # addresses of freed blocks by size
        self.traps = []  # what to call for each trap
        self.imports = {}  # where each import is
        self.depth = 0
        self.fat = lief.MachO.parse(str(path))  # lief frees what it gave once this goes
        self.image = self.fat.at(0)
        top = max(part.virtual_address + part.virtual_size for part in self.image.segments)
        for start, size in ((IMAGE, top), (STACK, STACK_BYTES), (HEAP, HEAP_BYTES), (RETURN, PAGE)):
            self.engine.mem_map(start, rounded_up(size, PAGE))
        self.engine.mem_map(TRAPS, TRAP_BYTES)
        self.next_code = RETURN + 64
        for part in self.image.segments:
            self.write(IMAGE + part.virtual_address, bytes(part.content))
        self.engine.hook_add(unicorn.UC_HOOK_CODE, self._stop, begin=TRAPS, end=TRAPS + TRAP_BYTES - 1)

    def _stop(self, engine, _address, _size, _data):
        engine.emu_stop()

    # --- linking

    def link(self, providers):
        """Gives each import its function or its data, and moves the image's own pointers to where it lies."""
        functions = {}
        for provider in providers:
            functions.update(provider.functions())
        for relocation in self.image.relocations:
            place = IMAGE + relocation.address
            self.write_word(place, IMAGE + self.word(place))
        for binding in self.image.bindings:
            name = binding.symbol.name
            if name not in self.imports:
                self.imports[name] = self._resolve(name, functions)
            self.write_word(IMAGE + binding.address, self.imports[name] + binding.addend)
        initializers = self.image.get_section("__mod_init_func")
        for offset in range(0, initializers.size if initializers else 0, 8):
            self.call(self.word(IMAGE + initializers.virtual_address + offset))

    def _resolve(self, name, functions):
        if name.startswith(("_OBJC_CLASS_$_", "__ZT", "___CFConstantStringClassReference")):
            return self.allocate(256)
        if name in self.processor.CODE:
            return self._place_code(self.processor.CODE[name])
        return self.trap(functions.get(name) or self._missing(name))

    def _place_code(self, code):
        """For what is called for single elements, or takes floats: the way to Python and back would take minutes."""
        address = self.next_code
        self.write(address, code)
        self.next_code += 64
        return address

    @staticmethod
    def _missing(name):
        def fail():
            raise NotImplementedError(f"the image called {name}")

        return fail

    def trap(self, function):
        """An address that the image can call: `function` gets as many integer arguments as it has parameters."""
        self.traps.append((function, len(inspect.signature(function).parameters)))
        address = TRAPS + 16 * (len(self.traps) - 1)
        assert address < TRAPS + TRAP_BYTES
        return address

    def exported(self, name):
        return IMAGE + next(symbol.value for symbol in self.image.symbols if symbol.name == name)

    # --- calls

    def call(self, address, *arguments):
        """Calls a function of the image with integers and addresses; returns its integer result."""
        processor = self.processor
        saved = processor.save()
        top = STACK + STACK_BYTES - PAGE if self.depth == 0 else (processor.stack_pointer() - 0x400) & ~0xFF
        self.depth += 1
        processor.begin_call(self, arguments, top, RETURN)
        try:
            self._run(address)
            return processor.result()
        finally:
            self.depth -= 1
            processor.restore(saved)

    def _run(self, place):
        while True:
            self.engine.emu_start(place, RETURN)
            place = self.processor.program_counter()
            if place == RETURN:
                return
            assert TRAPS <= place < TRAPS + TRAP_BYTES, f"stopped at {place:#x}"
            place = self._answer(place)

    def _answer(self, place):
        function, count = self.traps[(place - TRAPS) // 16]
        back = self.processor.return_address(self)
        result = function(*(self.processor.argument(self, i) for i in range(count)))
        self.processor.end_trap(result or 0)
        return back

    # --- memory

    def read(self, address, size):
        return bytes(self.engine.mem_read(address, size))

    def write(self, address, data):
        self.engine.mem_write(address, data)

    def word(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def write_word(self, address, value):
        self.write(address, struct.pack("<Q", value & 0xFFFFFFFFFFFFFFFF))

    def int32(self, address):
        return struct.unpack("<i", self.read(address, 4))[0]

    def write_int32(self, address, value):
        self.write(address, struct.pack("<i", value))

    def text(self, address):
        found = bytearray()
        while (byte := self.read(address + len(found), 1)) != b"\0":
            found += byte
        return found.decode()

    def allocate(self, size, alignment=64):
        """Zeroed memory that nothing else uses until `free`."""
        size = rounded_up(max(size, 1), alignment)
        if self.unused.get((size, alignment)):
            address = self.unused[size, alignment].pop()
            self.write(address, bytes(size))
        else:
            address = rounded_up(self.next_free, alignment)
            self.next_free = address + size
            assert self.next_free <= HEAP + HEAP_BYTES, "the emulated heap is full"
        self.blocks[address] = (size, alignment)
        return address

    def free(self, address):
        """Fails for what is not in use: a double free."""
        if address == 0:
            return
        self.unused.setdefault(self.blocks.pop(address), []).append(address)

    def place(self, data):
        """A copy of `data` in new memory."""
        address = self.allocate(len(data))
        self.write(address, bytes(data))
        return address
