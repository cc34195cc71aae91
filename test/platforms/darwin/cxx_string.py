"""libc++'s std::string, whose longer functions are in the library: in place up to 22 characters, else in a block.

On arm64 Apple's libc++ has the fields in the other order, the length (or the flag) at the end.
"""

import struct

SHORT, LONG_FLAG_LAST, LONG_FLAG_FIRST = 22, 1 << 63, 1


class CxxString:
    def __init__(self, machine, address):
        self.machine, self.address = machine, address
        self.flag_last = machine.processor.STRING_FLAG_LAST

    def _block(self):
        """The address of the characters' own block, or 0 where they are in place."""
        words = struct.unpack("<3Q", self.machine.read(self.address, 24))
        if self.flag_last:
            return words[0] if words[2] & LONG_FLAG_LAST else 0
        return words[2] if words[0] & LONG_FLAG_FIRST else 0

    def get(self):
        if block := self._block():
            return self.machine.read(block, self.machine.word(self.address + 8))
        data = self.machine.read(self.address, 24)
        return data[: data[23]] if self.flag_last else data[1 : 1 + data[0] // 2]

    def put(self, data):
        old = self._block()
        if len(data) <= SHORT:
            padded = data.ljust(23, b"\0")
            whole = padded + bytes([len(data)]) if self.flag_last else bytes([len(data) * 2]) + padded
        else:
            block, room = self.machine.place(data + b"\0"), (len(data) + 2) // 2 * 2
            words = [block, len(data), room | LONG_FLAG_LAST] if self.flag_last else [room | 1, len(data), block]
            whole = struct.pack("<3Q", *words)
        self.machine.write(self.address, whole)
        self.machine.free(old)


class Strings:
    """The members of std::string that the image imports."""

    PREFIX = "__ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE"

    def __init__(self, machine):
        self.machine = machine

    def functions(self):
        names = {
            "6appendEPKc": self.append_text,
            "6appendEPKcm": self.append,
            "6insertEmPKc": self.insert_text,
            "6resizeEmc": self.resize,
            "7reserveEm": self.reserve,
            "aSERKS5_": self.assign,
        }
        return {self.PREFIX + name: function for name, function in names.items()}

    def append(self, this, data, size):
        string = CxxString(self.machine, this)
        string.put(string.get() + (self.machine.read(data, size) if size else b""))
        return this

    def append_text(self, this, text):
        return self.append(this, text, len(self.machine.text(text).encode()))

    def insert_text(self, this, at, text):
        string = CxxString(self.machine, this)
        old = string.get()
        assert at <= len(old)
        string.put(old[:at] + self.machine.text(text).encode() + old[at:])
        return this

    def assign(self, this, other):
        CxxString(self.machine, this).put(CxxString(self.machine, other).get())
        return this

    def reserve(self, _this, _size):
        """Room is made when it is needed: all that grows a string is here."""

    def resize(self, this, size, character):
        string = CxxString(self.machine, this)
        string.put(string.get()[:size].ljust(size, bytes([character & 0xFF])))
