"""Prints what each binary is, as JSON: python3 describe.py FILE..."""

import json
import sys

import lief


def minimum_system(binary):
    """The oldest macOS that it says it runs on, or None."""
    if not isinstance(binary, lief.MachO.Binary) or not binary.has_build_version:
        return None
    return ".".join(str(number) for number in binary.build_version.minos)


def names_of_libraries(binary):
    return [library if isinstance(library, str) else library.name for library in binary.libraries]


def symbols(binary):
    """Names that it needs and names that it gives, as C spells them."""
    if isinstance(binary, lief.PE.Binary):
        needed = [entry.name for library in binary.imports for entry in library.entries]
        export = binary.get_export()
        return needed, [entry.name for entry in export.entries] if export else []
    needed = [symbol.name for symbol in binary.imported_symbols]
    given = [symbol.name for symbol in binary.exported_symbols]
    if isinstance(binary, lief.MachO.Binary):
        return [name.removeprefix("_") for name in needed], [name.removeprefix("_") for name in given]
    return needed, given


def describe(path):
    binary = lief.parse(path)
    if binary is None:
        sys.exit(f"{path} is no binary")
    if isinstance(binary, lief.MachO.FatBinary):
        binary = binary.at(0)
    needed, given = symbols(binary)
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
