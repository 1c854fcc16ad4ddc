# SPDX-License-Identifier: Apache-2.0
# broker_library(NAME gv_mqtt SOURCES a.cpp b.cpp DEPENDS gv_base)
#   One static library a folder, or an interface library where SOURCES is empty. DEPENDS names all
#   it may link; the include check (tools/check_includes.py) keeps the same arrows in the headers.
# broker_test(NAME mqtt_test SOURCES a_test.cpp DEPENDS gv_mqtt)
#   One GoogleTest program, its cases registered with ctest one by one. Its own sources are compiled
#   without optimization, which takes half as long; what they test, and worlds and simulations, which
#   are libraries, are optimized as everywhere.
# broker_fuzz(NAME decode_fuzz SOURCES decode_fuzz.cpp DEPENDS gv_mqtt)
#   One libFuzzer target; with GRAPEVINE_FUZZ off it is built as a program that replays its corpus.
function(broker_library)
    cmake_parse_arguments(arg "" "NAME" "SOURCES;DEPENDS" ${ARGN})
    if(arg_SOURCES)
        add_library(${arg_NAME} STATIC ${arg_SOURCES})
        target_link_libraries(${arg_NAME} PUBLIC ${arg_DEPENDS} PRIVATE grapevine_flags)
        target_include_directories(${arg_NAME} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    else()
        add_library(${arg_NAME} INTERFACE)
        target_link_libraries(${arg_NAME} INTERFACE ${arg_DEPENDS})
        target_include_directories(${arg_NAME} INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    endif()
endfunction()

function(broker_test)
    cmake_parse_arguments(arg "" "NAME" "SOURCES;DEPENDS" ${ARGN})
    add_executable(${arg_NAME} ${arg_SOURCES})
    target_compile_options(${arg_NAME} PRIVATE -O0)
    target_link_libraries(${arg_NAME} PRIVATE grapevine_flags ${arg_DEPENDS}
                          GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${arg_NAME} DISCOVERY_TIMEOUT 60
                         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
                         PROPERTIES TIMEOUT 120)
endfunction()

function(broker_fuzz)
    cmake_parse_arguments(arg "" "NAME;CORPUS" "SOURCES;DEPENDS" ${ARGN})
    if(GRAPEVINE_FUZZ)
        add_executable(${arg_NAME} ${arg_SOURCES})
        target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(${arg_NAME} ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cpp)
        add_test(NAME ${arg_NAME}_corpus
                 COMMAND ${arg_NAME} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${arg_CORPUS})
    endif()
    target_link_libraries(${arg_NAME} PRIVATE grapevine_flags ${arg_DEPENDS})
endfunction()
