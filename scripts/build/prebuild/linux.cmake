# CMake toolchain: ELF addons for Linux, glibc or musl, by zig. libc++ is linked in, and nothing of it is exported: the
# file needs the C library alone.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${METAL_SGD_ZIG_TARGET})
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
add_link_options(-s -Wl,-z,relro,-z,now -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/exports.map)
