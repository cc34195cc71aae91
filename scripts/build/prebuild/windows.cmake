# CMake toolchain: PE addons for Windows on x86-64, by zig. libc++ is linked in: the file needs what every Windows 10 has.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_RC_COMPILER true)  # asked for, never used
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX ${CMAKE_CURRENT_LIST_DIR}/windows-link.cmake)
