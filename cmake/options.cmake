# SPDX-License-Identifier: Apache-2.0
# Build options and the compiler flags that follow from them. Every first-party target gets
# `grapevine_flags` through broker_library(); generated code does not.
option(GRAPEVINE_TESTS "Build the tests" ON)
set(GRAPEVINE_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=: address,undefined or thread")
option(GRAPEVINE_FUZZ "Build the libFuzzer targets (clang only)" OFF)

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# Debug assertions are for the dev and sanitizer presets.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
    add_link_options(-fuse-ld=mold)
endif()

add_library(grapevine_flags INTERFACE)
target_compile_options(grapevine_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Werror
    # Designated initialisers that leave defaults out are the house style.
    -Wno-missing-field-initializers
    $<$<CXX_COMPILER_ID:GNU>:-Wmissing-requires>
    $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
target_include_directories(grapevine_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_definitions(grapevine_flags INTERFACE
    BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)

if(GRAPEVINE_SANITIZE)
    add_compile_options(-fsanitize=${GRAPEVINE_SANITIZE} -fno-omit-frame-pointer
                        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${GRAPEVINE_SANITIZE})
endif()
if(GRAPEVINE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
