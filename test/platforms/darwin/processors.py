"""The calling conventions of macOS, on the processors that unicorn emulates."""

import struct

import unicorn
from unicorn import arm64_const as arm64
from unicorn import x86_const as x86


class Arm64:
    """AAPCS64 as Apple uses it."""

    STRING_FLAG_LAST = True
    FLUSHES_RESULTS = True
    CODE = {
        # mov x3, x0; cbz x2, end; loop: ldrb w4, [x1], #1; strb w4, [x3], #1; subs x2, x2, #1; b.ne loop; end: ret
        "_memcpy": bytes.fromhex("e30300aa a20000b4 24144038 64140038 420400f1 a1ffff54 c0035fd6"),
    }
    INTEGERS = [arm64.UC_ARM64_REG_X0 + i for i in range(8)]
    KEPT = [arm64.UC_ARM64_REG_X0 + i for i in range(29)] + [
        arm64.UC_ARM64_REG_X29,
        arm64.UC_ARM64_REG_LR,
        arm64.UC_ARM64_REG_SP,
    ]

    def __init__(self):
        self.engine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.engine.ctl_set_cpu_model(arm64.UC_CPU_ARM64_MAX)
        self.engine.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # floating point is not trapped

    def save(self):
        return [self.engine.reg_read(register) for register in self.KEPT]

    def restore(self, values):
        for register, value in zip(self.KEPT, values):
            self.engine.reg_write(register, value)

    def begin_call(self, _machine, arguments, top, back):
        assert len(arguments) <= len(self.INTEGERS)
        for register, value in zip(self.INTEGERS, arguments):
            self.engine.reg_write(register, value)
        self.engine.reg_write(arm64.UC_ARM64_REG_SP, top)
        self.engine.reg_write(arm64.UC_ARM64_REG_LR, back)

    def program_counter(self):
        return self.engine.reg_read(arm64.UC_ARM64_REG_PC)

    def stack_pointer(self):
        return self.engine.reg_read(arm64.UC_ARM64_REG_SP)

    def return_address(self, _machine):
        return self.engine.reg_read(arm64.UC_ARM64_REG_LR)

    def argument(self, machine, index):
        if index < len(self.INTEGERS):
            return self.engine.reg_read(self.INTEGERS[index])
        return machine.word(self.stack_pointer() + 8 * (index - len(self.INTEGERS)))

    def variable_argument(self, machine, _named, index):
        """One of those behind the `named` ones: Apple puts them all on the stack."""
        return machine.word(self.stack_pointer() + 8 * index)

    def double_argument(self):
        return struct.unpack("<d", struct.pack("<Q", self.engine.reg_read(arm64.UC_ARM64_REG_D0)))[0]

    def sizes(self, machine):
        """The two MTLSize arguments of a message: larger than two registers, so by reference."""
        return [struct.unpack("<3Q", machine.read(self.argument(machine, i), 24)) for i in (2, 3)]

    def return_double(self, value):
        self.engine.reg_write(arm64.UC_ARM64_REG_D0, struct.unpack("<Q", struct.pack("<d", value))[0])

    def end_trap(self, result):
        self.engine.reg_write(arm64.UC_ARM64_REG_X0, result & 0xFFFFFFFFFFFFFFFF)

    def result(self):
        return self.engine.reg_read(arm64.UC_ARM64_REG_X0)


class X64:
    """The System V convention. unicorn knows SSE2 but no AVX."""

    STRING_FLAG_LAST = False
    FLUSHES_RESULTS = False  # unicorn's SSE flushes operands alone: QEMU 5, which it is, set the mode of x87 instead
    CODE = {
        "_memcpy": bytes.fromhex("4889f8 4889d1 f3a4 c3"),  # mov rax, rdi; mov rcx, rdx; rep movsb; ret
        "_ceilf": bytes.fromhex("660f3a0ac00a c3"),  # roundss xmm0, xmm0, 10; ret
    }
    INTEGERS = [
        x86.UC_X86_REG_RDI,
        x86.UC_X86_REG_RSI,
        x86.UC_X86_REG_RDX,
        x86.UC_X86_REG_RCX,
        x86.UC_X86_REG_R8,
        x86.UC_X86_REG_R9,
    ]
    KEPT = [
        *INTEGERS,
        x86.UC_X86_REG_RAX,
        x86.UC_X86_REG_RBX,
        x86.UC_X86_REG_RBP,
        x86.UC_X86_REG_RSP,
        x86.UC_X86_REG_R10,
        x86.UC_X86_REG_R11,
        x86.UC_X86_REG_R12,
        x86.UC_X86_REG_R13,
        x86.UC_X86_REG_R14,
        x86.UC_X86_REG_R15,
    ]

    def __init__(self):
        self.engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)

    save, restore = Arm64.save, Arm64.restore

    def begin_call(self, machine, arguments, top, back):
        assert len(arguments) <= len(self.INTEGERS)
        for register, value in zip(self.INTEGERS, arguments):
            self.engine.reg_write(register, value)
        machine.write_word(top - 8, back)
        self.engine.reg_write(x86.UC_X86_REG_RSP, top - 8)

    def program_counter(self):
        return self.engine.reg_read(x86.UC_X86_REG_RIP)

    def stack_pointer(self):
        return self.engine.reg_read(x86.UC_X86_REG_RSP)

    def return_address(self, machine):
        return machine.word(self.stack_pointer())

    def argument(self, machine, index):
        if index < len(self.INTEGERS):
            return self.engine.reg_read(self.INTEGERS[index])
        return machine.word(self.stack_pointer() + 8 * (1 + index - len(self.INTEGERS)))

    def variable_argument(self, machine, named, index):
        return self.argument(machine, named + index)

    def double_argument(self):
        return struct.unpack("<d", struct.pack("<Q", self.engine.reg_read(x86.UC_X86_REG_XMM0) & (1 << 64) - 1))[0]

    def sizes(self, machine):
        """The two MTLSize arguments of a message: in memory, so on the stack whatever the registers hold."""
        words = [self.argument(machine, len(self.INTEGERS) + i) for i in range(6)]
        return [tuple(words[:3]), tuple(words[3:])]

    def return_double(self, value):
        self.engine.reg_write(x86.UC_X86_REG_XMM0, struct.unpack("<Q", struct.pack("<d", value))[0])

    def end_trap(self, result):
        self.engine.reg_write(x86.UC_X86_REG_RAX, result & 0xFFFFFFFFFFFFFFFF)
        self.engine.reg_write(x86.UC_X86_REG_RSP, self.stack_pointer() + 8)

    def result(self):
        return self.engine.reg_read(x86.UC_X86_REG_RAX)


PROCESSORS = {"arm64": Arm64, "x64": X64}
