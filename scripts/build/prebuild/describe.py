"""Prints what a loader would see in each binary, as JSON: python3 describe.py FILE..."""

import json
import struct
import sys

import lief


def name_of(value):
    return getattr(value, "name", None) or str(value).split(".")[-1]


def version(name):
    """GLIBC_2.17 as [2, 17]."""
    return [int(part) for part in name.split("_")[1].split(".")]


def flags_of(segment):
    """Some of R, W and X."""
    return [letter for letter in "RWX" if getattr(lief.ELF.Segment.FLAGS, letter) in segment.flags]


def describe_elf(binary):
    imports = [symbol for symbol in binary.dynamic_symbols if symbol.shndx == 0 and symbol.name]
    required = [aux.name for need in binary.symbols_version_requirement for aux in need.get_auxiliary_symbols()]
    segments = {name_of(segment.type): segment for segment in binary.segments}
    flags = {name_of(flag) for entry in binary.dynamic_entries if hasattr(entry, "flags") for flag in entry.flags}
    return {
        "architecture": name_of(binary.header.machine_type),
        "libraries": list(binary.libraries),
        "imports": [symbol.name for symbol in imports],
        "exports": [symbol.name for symbol in binary.exported_symbols],
        "newestGlibc": max((version(name) for name in required), default=None),
        "interpreter": binary.interpreter if binary.has_interpreter else None,
        "executableStack": "GNU_STACK" not in segments or "X" in flags_of(segments["GNU_STACK"]),
        "readOnlyRelocations": "GNU_RELRO" in segments and "NOW" in flags,
        "neverUnloaded": "NODELETE" in flags,
        "writableCode": any({"W", "X"} <= set(flags_of(segment)) for segment in binary.segments),
        "symbols": len(list(binary.symtab_symbols)),
    }


def describe_macho(binary):
    def is_both(protection):
        return protection & 2 != 0 and protection & 4 != 0

    plain = [symbol for symbol in binary.symbols if not symbol.name.startswith("radr://")]
    outside = set(binary.imported_symbols) | set(binary.exported_symbols)
    return {
        "architecture": name_of(binary.header.cpu_type),
        "libraries": [library.name for library in binary.libraries],
        "imports": [symbol.name for symbol in binary.imported_symbols],
        "exports": [symbol.name for symbol in binary.exported_symbols],
        "minimumSystem": binary.build_version.minos[:2],
        "executableStack": "ALLOW_STACK_EXECUTION" in {name_of(flag) for flag in binary.header.flags_list},
        "writableCode": any(is_both(segment.init_protection) for segment in binary.segments),
        "symbols": len([symbol for symbol in plain if symbol not in outside]),
    }


def delayed(binary):
    """The functions that are looked up at their first call: as Microsoft's linker lists them, or as GNU's dlltool does."""
    for library in binary.delay_imports:
        return library.name, [entry.name for entry in library.entries]
    for section in binary.sections:
        if section.name != ".text" or section.virtual_size > 32:
            continue
        _, library, _, _, names, *_ = struct.unpack("<8I", bytes(section.content[:32]))
        text = lambda at: bytes(binary.get_content_from_virtual_address(at, 256)).split(b"\0")[0].decode()
        thunks = struct.iter_unpack("<Q", bytes(binary.get_content_from_virtual_address(names, 8 * 512)))
        found = []
        for (at,) in thunks:
            if at == 0:
                return text(library), found
            found.append(text(at + 2))
    return None, []


def describe_pe(binary):
    header = binary.optional_header
    library, names = delayed(binary)
    flags = [{name_of(flag) for flag in section.characteristics_lists} for section in binary.sections]
    return {
        "architecture": name_of(binary.header.machine),
        "libraries": [entry.name for entry in binary.imports],
        "delayedLibrary": library,
        "imports": names,
        "systemImports": [entry.name for library in binary.imports for entry in library.entries],
        "exports": [entry.name for entry in binary.get_export().entries],
        "minimumSystem": [header.major_subsystem_version, header.minor_subsystem_version],
        "flags": sorted(name_of(flag) for flag in header.dll_characteristics_lists),
        "executableStack": "NX_COMPAT" not in {name_of(flag) for flag in header.dll_characteristics_lists},
        "writableCode": any({"MEM_WRITE", "MEM_EXECUTE"} <= each for each in flags),
        "symbols": binary.header.numberof_symbols,
    }


DESCRIBE = {"ELF": describe_elf, "MACHO": describe_macho, "PE": describe_pe}


def describe(path):
    binary = lief.parse(path)
    if binary is None:
        sys.exit(f"{path} is no binary")
    file = binary.at(0) if isinstance(binary, lief.MachO.FatBinary) else binary
    format = name_of(file.format)
    sections = [section.name for section in file.sections]
    return {"format": format, **DESCRIBE[format](file), "debug": [name for name in sections if "debug" in name]}


lief.logging.disable()
print(json.dumps([describe(path) for path in sys.argv[1:]]))
