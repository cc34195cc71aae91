# CMake toolchain: Mach-O addons for macOS 13 made on Linux. zig compiles with the headers that it ships, lld links
# against the stub libraries in this folder. METAL_SGD_DARWIN_ARCH (arm64 or x86_64) and METAL_SGD_ZIG (the zig
# program) come from scripts/build-darwin.mjs.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES METAL_SGD_DARWIN_ARCH METAL_SGD_ZIG)
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_VERSION 22)  # the kernel of macOS 13
set(CMAKE_SYSTEM_PROCESSOR ${METAL_SGD_DARWIN_ARCH})
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_INSTALL_NAME_TOOL true)  # asked for, never used

string(REPLACE arm64 aarch64 ZIG_ARCH ${METAL_SGD_DARWIN_ARCH})
foreach(language CXX OBJCXX)
  set(CMAKE_${language}_COMPILER ${METAL_SGD_ZIG} c++ -target ${ZIG_ARCH}-macos.13.0)
  # CMake's own trials would link with zig, which takes a minute and says nothing about lld: told instead.
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_ID Clang)
  set(CMAKE_${language}_COMPILER_VERSION 22.1.8)
  set(CMAKE_${language}_COMPILER_FRONTEND_VARIANT GNU)
  set(CMAKE_${language}_STANDARD_COMPUTED_DEFAULT 17)
  set(CMAKE_${language}_COMPILER_WORKS TRUE)
  set(CMAKE_${language}_ABI_COMPILED TRUE)
  set(CMAKE_${language}_SIZEOF_DATA_PTR 8)
endforeach()
set(CMAKE_HAVE_PTHREAD_H TRUE)
set(CMAKE_HAVE_LIBC_PTHREAD TRUE)
set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX ${CMAKE_CURRENT_LIST_DIR}/link.cmake)
set(CMAKE_USER_MAKE_RULES_OVERRIDE_OBJCXX ${CMAKE_CURRENT_LIST_DIR}/link.cmake)

get_filename_component(ROOT ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
get_filename_component(ZIG_FOLDER ${METAL_SGD_ZIG} DIRECTORY)
# Without sized delete, and with the availability annotations that zig switches off, the C++ headers call nothing that the
# libc++ of macOS 13 lacks. No path of the builder may end up in the file.
set(FLAGS -g0 -fno-sized-deallocation -ffile-prefix-map=${ROOT}=. -ffile-prefix-map=${ZIG_FOLDER}=zig
    -U_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS -D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1)
list(JOIN FLAGS " " CMAKE_CXX_FLAGS_INIT)
set(CMAKE_OBJCXX_FLAGS_INIT "${CMAKE_CXX_FLAGS_INIT} -fblocks -fno-objc-arc -I${ROOT}/test/metal-sim/include")
