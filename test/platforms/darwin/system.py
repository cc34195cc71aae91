"""What the image imports of libSystem and libc++: one processor, and a clock that ticks at every look.

Other threads run when a test says so, each until it waits.
"""

import re

PAGE_BYTES = 16384
PAGE_SIZE_NAME = 29  # _SC_PAGESIZE of macOS
SYSTEM_VALUES = {"hw.physicalcpu": 1}


class CxxThrow(Exception):
    """The image threw: nothing here unwinds, so the call ends."""


class Waits(Exception):
    """A thread waits: nobody wakes it, since no other runs meanwhile."""


class System:
    """`values` is for sysctl; None for a name that this Mac lacks. `environment` is for getenv."""

    def __init__(self, machine, values=None, environment=None):
        self.machine = machine
        self.values = {**SYSTEM_VALUES, **(values or {})}
        self.environment = {name: machine.place(f"{text}\0".encode()) for name, text in (environment or {}).items()}
        self.now = 0
        self.kept = []  # what dlopen was asked for
        self.threads = []  # made and not yet run
        self.qualities = []  # of service: what threads asked for
        self.yields = 0
        self.thread_key = machine.allocate(8)

    def functions(self):
        plain = {f"_{name}": getattr(self, name) for name in PLAIN}
        return plain | {name: getattr(self, method) for name, method in NAMES.items()}

    # --- memory

    def allocate(self, size):
        return self.machine.allocate(size)

    def free(self, address):
        self.machine.free(address)

    def memmove(self, to, source, size):
        if size:
            self.machine.write(to, self.machine.read(source, size))
        return to

    def memcmp(self, one, other, size):
        first, second = self.machine.read(one, size), self.machine.read(other, size)
        return (first > second) - (first < second)

    def memchr(self, address, byte, size):
        found = self.machine.read(address, size).find(byte & 0xFF) if size else -1
        return 0 if found < 0 else address + found

    def memset(self, address, byte, size):
        if size:
            self.machine.write(address, bytes([byte & 0xFF]) * size)
        return address

    def bzero(self, address, size):
        if size:
            self.machine.write(address, bytes(size))

    def strlen(self, address):
        return len(self.machine.text(address).encode())

    def snprintf(self, buffer, size, form):
        """%s, %zu and %x."""
        count = 0

        def argument(match):
            nonlocal count
            value = self.machine.processor.variable_argument(self.machine, 3, count)
            count += 1
            return {"s": self.machine.text, "zu": str, "x": lambda number: f"{number & 0xFFFFFFFF:x}"}[match[1]](value)

        text = re.sub(r"%(s|zu|x)", argument, self.machine.text(form)).encode()
        self.machine.write(buffer, text[: size - 1] + b"\0")
        return len(text)

    def strcmp(self, one, other):
        first, second = self.machine.text(one), self.machine.text(other)
        return (first > second) - (first < second)

    # --- the system

    def sysconf(self, name):
        assert name == PAGE_SIZE_NAME, f"sysconf({name})"
        return PAGE_BYTES

    def sysctlbyname(self, name, value, size):
        found = self.values.get(self.machine.text(name))
        if found is None:
            return -1
        assert self.machine.word(size) == 4
        self.machine.write_int32(value, found)
        return 0

    def getenv(self, name):
        return self.environment.get(self.machine.text(name), 0)

    def dladdr(self, address, info):
        self.machine.write_word(info, self.machine.place(b"addon.node\0"))
        return 1

    def dlopen(self, name, mode):
        self.kept.append((self.machine.text(name), mode))
        return 1

    def steady_clock_now(self):
        self.now += 1000
        return self.now

    # --- threads: no two run at once, so that every lock is free

    def run_threads(self):
        """Runs each thread that was made until it waits."""
        while self.threads:
            start, argument = self.threads.pop(0)
            try:
                self.machine.call(start, argument)
            except Waits:
                continue
            raise AssertionError("a thread of the addon's came to its end")

    def pthread_create(self, thread, attributes, start, argument):
        assert attributes == 0
        self.threads.append((start, argument))
        self.machine.write_word(thread, argument)
        return 0

    def pthread_setspecific(self, key, _value):
        assert key == self.machine.word(self.thread_key)

    def pthread_set_qos_class_self_np(self, quality, priority):
        self.qualities.append((quality & 0xFFFFFFFF, priority & 0xFFFFFFFF))

    def sched_yield(self):
        self.yields += 1

    def thread_local_data(self):
        return self.thread_key

    def detach(self, thread):
        assert self.machine.word(thread) != 0
        self.machine.write_word(thread, 0)

    def end_of_thread_object(self, thread):
        assert self.machine.word(thread) == 0, "neither joined nor detached: std::terminate"

    def wait(self, _condition, _lock):
        raise Waits

    def nothing(self):
        return 0

    def succeeds(self):
        return 1

    def call_once(self, flag, argument, function):
        if self.machine.word(flag) == 0:
            self.machine.call(function, argument)
            self.machine.write_word(flag, -1)

    def guard_acquire(self, guard):
        return self.machine.read(guard, 1) == b"\0"

    def guard_release(self, guard):
        self.machine.write(guard, b"\1")

    # --- libc++: an owner's count is one less than the number of owners

    def release_weak(self, block):
        count = self.machine.word(block + 16)
        if count == 0:
            on_zero_weak = self.machine.word(self.machine.word(block) + 4 * 8)
            self.machine.call(on_zero_weak, block)
        else:
            self.machine.write_word(block + 16, count - 1)

    def lock_shared(self, block):
        count = self.machine.word(block + 8)
        if count == 0xFFFFFFFFFFFFFFFF:
            return 0
        self.machine.write_word(block + 8, count + 1)
        return block

    def next_prime(self, number):
        while number > 2 and any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
            number += 1
        return max(number, 2)

    def runtime_error(self, this, _text_or_other):
        """Only made to be thrown, and copied on the way."""
        return this

    def throw(self, exception, _type_info):
        raise CxxThrow(f"an exception at {exception:#x}")


PLAIN = [
    "memmove",
    "memcmp",
    "memchr",
    "memset",
    "bzero",
    "strlen",
    "strcmp",
    "snprintf",
    "sysconf",
    "sysctlbyname",
    "getenv",
    "dladdr",
    "dlopen",
    "pthread_create",
    "pthread_setspecific",
    "pthread_set_qos_class_self_np",
    "sched_yield",
]
NAMES = {
    "___bzero": "bzero",
    "__Znwm": "allocate",
    "__Znam": "allocate",
    "__ZdlPv": "free",
    "__ZdaPv": "free",
    "___cxa_guard_acquire": "guard_acquire",
    "___cxa_guard_release": "guard_release",
    "___cxa_throw": "throw",
    "__ZNSt13runtime_errorC2ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE": "runtime_error",
    "__ZNSt13runtime_errorC2ERKS_": "runtime_error",
    "__ZNSt13runtime_errorD2Ev": "nothing",
    "___cxa_allocate_exception": "allocate",
    "__ZNSt3__111__call_onceERVmPvPFvS2_E": "call_once",
    "__ZNSt3__112__next_primeEm": "next_prime",
    "__ZNSt3__115__thread_structC1Ev": "nothing",
    "__ZNSt3__118condition_variable10notify_allEv": "nothing",
    "__ZNSt3__118condition_variable10notify_oneEv": "nothing",
    "__ZNSt3__118condition_variable4waitERNS_11unique_lockINS_5mutexEEE": "wait",
    "__ZNSt3__119__thread_local_dataEv": "thread_local_data",
    "__ZNSt3__119__shared_weak_count14__release_weakEv": "release_weak",
    "__ZNSt3__119__shared_weak_count4lockEv": "lock_shared",
    "__ZNSt3__119__shared_weak_countD2Ev": "nothing",
    "__ZNSt3__15mutex4lockEv": "nothing",
    "__ZNSt3__15mutex6unlockEv": "nothing",
    "__ZNSt3__15mutex8try_lockEv": "succeeds",
    "__ZNSt3__16chrono12steady_clock3nowEv": "steady_clock_now",
    "__ZNSt3__16thread6detachEv": "detach",
    "__ZNSt3__16threadD1Ev": "end_of_thread_object",
}
