"""Prints what each binary is, as JSON: python3 describe.py FILE..."""

import json
import re
import sys

import lief


def minimum_system(binary):
    """The oldest macOS that it says it runs on, or None."""
    if not isinstance(binary, lief.MachO.Binary) or not binary.has_build_version:
        return None
    return ".".join(str(number) for number in binary.build_version.minos)


def names_of_libraries(binary):
    return [library if isinstance(library, str) else library.name for library in binary.libraries]


def names_in_text(path):
    """Names of Node-API anywhere in a file: those that Windows looks up at the first call are in no standard table."""
    with open(path, "rb") as file:
        found = re.findall(rb"(?<=\0)n(?:api|ode_api)_[a-z0-9_]+(?=\0)", file.read())
    return [name.decode() for name in found]


def symbols(binary, path):
    """Names that it needs and names that it gives, as C spells them."""
    if isinstance(binary, lief.PE.Binary):
        export = binary.get_export()
        given = [entry.name for entry in export.entries] if export else []
        needed = [entry.name for library in binary.imports for entry in library.entries if not entry.is_ordinal]
        return needed + [name for name in names_in_text(path) if name not in given], given
    if isinstance(binary, lief.ELF.Binary):
        # Not its imported_symbols, which lack those of no type.
        needed = [symbol.name for symbol in binary.dynamic_symbols if symbol.shndx == 0 and symbol.name]
        return needed, [symbol.name for symbol in binary.exported_symbols]
    needed = [symbol.name.removeprefix("_") for symbol in binary.imported_symbols]
    return needed, [symbol.name.removeprefix("_") for symbol in binary.exported_symbols]


def describe(path):
    binary = lief.parse(path)
    if binary is None:
        sys.exit(f"{path} is no binary")
    if isinstance(binary, lief.MachO.FatBinary):
        binary = binary.at(0)
    needed, given = symbols(binary, path)
    return {
        "format": str(binary.format).split(".")[-1],
        "architecture": str(binary.abstract.header.architecture).split(".")[-1],
        "minimumSystem": minimum_system(binary),
        "libraries": sorted(set(names_of_libraries(binary))),
        "needed": sorted(set(needed)),
        "given": sorted(set(given)),
    }


lief.logging.disable()
print(json.dumps([describe(path) for path in sys.argv[1:]]))
