"""The Objective-C runtime and the little of Foundation that the addon uses: objects with counted references.

Methods have their selectors' names, with an underscore for each colon. What is used after its end, released too often or
autoreleased outside of a pool fails.
"""

import inspect


class Object:
    """A method's parameters are the integers and addresses that the message carries."""

    def __init__(self, runtime):
        self.runtime, self.machine = runtime, runtime.machine
        self.address = self.machine.allocate(16)
        self.references = 1
        self.label = None
        runtime.objects[self.address] = self

    def retain(self):
        self.references += 1
        return self.address

    def release(self):
        self.references -= 1
        if self.references == 0:
            self.dealloc()
            del self.runtime.objects[self.address]
            self.machine.free(self.address)

    def dealloc(self):
        """Lets go of what the object holds."""

    def setLabel_(self, text):
        self.label = self.runtime.text_of(text)

    def autoreleased(self):
        self.runtime.pools[-1].append(self)
        return self.address


class String(Object):
    def __init__(self, runtime, text):
        super().__init__(runtime)
        self.text = text
        self.bytes = self.machine.place(text.encode() + b"\0")

    def dealloc(self):
        self.machine.free(self.bytes)

    def UTF8String(self):
        return self.bytes


class Array(Object):
    def __init__(self, runtime, items):
        super().__init__(runtime)
        self.items = items
        for item in items:
            item.retain()

    def dealloc(self):
        for item in self.items:
            item.release()

    def count(self):
        return len(self.items)

    def objectAtIndex_(self, index):
        return self.items[index].address


class StringClass:
    """NSString's own methods."""

    UTF8 = 4

    def __init__(self, runtime):
        self.runtime = runtime

    def stringWithCString_encoding_(self, text, encoding):
        assert encoding == self.UTF8
        return String(self.runtime, self.runtime.machine.text(text)).autoreleased()


class Runtime:
    """Answers messages; `sent` has each one's receiver and selector."""

    def __init__(self, machine):
        self.machine = machine
        self.objects = {}
        self.pools = []
        self.sent = []

    def functions(self):
        return {
            "_objc_msgSend": self.send,
            "_objc_alloc_init": self.alloc_init,
            "_objc_retain": lambda address: address and self.objects[address].retain(),
            "_objc_release": lambda address: self.objects[address].release() if address else 0,
            "_objc_autoreleasePoolPush": self.push_pool,
            "_objc_autoreleasePoolPop": self.pop_pool,
        }

    def classes(self):
        """What a class's own methods are, or what makes an instance of it, by its name."""
        return {"NSString": StringClass(self)}

    def class_at(self, address):
        prefix = "_OBJC_CLASS_$_"
        for name, made in self.classes().items():
            if self.machine.imports.get(prefix + name) == address:
                return made
        return None

    def alloc_init(self, address):
        return self.class_at(address)(self).address

    def send(self, receiver, selector):
        if receiver == 0:
            return 0
        name = self.machine.text(selector)
        found = self.objects.get(receiver) or self.class_at(receiver)
        assert found is not None, f"{name} was sent to {receiver:#x}, which is no object"
        self.sent.append(f"{type(found).__name__} {name}")
        method = getattr(found, name.replace(":", "_"))
        count = len(inspect.signature(method).parameters)
        return method(*(self.machine.processor.argument(self.machine, 2 + i) for i in range(count)))

    def push_pool(self):
        self.pools.append([])
        return len(self.pools)

    def pop_pool(self, pool):
        assert pool == len(self.pools), "pools end in the order in which they began"
        for item in reversed(self.pools.pop()):
            item.release()

    def text_of(self, address):
        """The text of a string, which may be an @"..." of the image's."""
        if found := self.objects.get(address):
            return found.text
        assert self.machine.word(address) == self.machine.imports["___CFConstantStringClassReference"]
        return self.machine.text(self.machine.word(address + 16))
