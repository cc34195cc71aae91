# CMake toolchain: Mach-O addons for macOS 13 made on Linux. zig compiles, lld links against the stub libraries in this
# folder.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_VERSION 22)  # the kernel of macOS 13
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${METAL_SGD_ZIG_TARGET})
string(REPLACE aarch64 arm64 METAL_SGD_DARWIN_ARCH ${CMAKE_SYSTEM_PROCESSOR})  # as Apple calls it
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_INSTALL_NAME_TOOL true)  # asked for, never used
include(${CMAKE_CURRENT_LIST_DIR}/../prebuild/zig.cmake)
set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX ${CMAKE_CURRENT_LIST_DIR}/link.cmake)
set(CMAKE_USER_MAKE_RULES_OVERRIDE_OBJCXX ${CMAKE_CURRENT_LIST_DIR}/link.cmake)

# Without sized delete, and with the availability annotations that zig switches off, the C++ headers call nothing that the
# libc++ of macOS 13 lacks.
add_compile_options(-fno-sized-deallocation
  -U_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS -D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1)
set(CMAKE_OBJCXX_FLAGS_INIT "-fblocks -fno-objc-arc -I${ROOT}/tools/metal-sim/include")
