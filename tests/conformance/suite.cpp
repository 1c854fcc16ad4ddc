// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/suite.hpp"

#include "tests/conformance/script.hpp"

#include <gtest/gtest.h>

namespace gv::conformance {
namespace {

class case_test : public testing::Test {
  public:
    case_test(const test_case& what, protocol_level level, world_source& source)
        : case_(what), level_(level), source_(source) {}

    void TestBody() override {
        const auto where = source_.make({case_.options, case_.files, case_.steps});
        if (where == nullptr) {
            GTEST_SKIP() << "this world cannot offer " << case_.options << case_.files;
        }
        const auto problem = run_case(case_, level_, *where);
        if (!problem.empty()) {
            FAIL() << problem;
        }
    }

  private:
    test_case case_;
    protocol_level level_;
    world_source& source_;
};

} // namespace

void register_cases(const char* suite, world_source& source,
                    const std::function<bool(const test_case&)>& is_wanted) {
    for (const auto& one : load_cases(GRAPEVINE_CONFORMANCE_FOLDER "/cases")) {
        if (!is_wanted(one)) {
            continue;
        }
        for (const auto level : one.versions) {
            testing::RegisterTest(suite, one.test_name(level).c_str(), nullptr, nullptr, __FILE__,
                                  __LINE__, [one, level, &source]() -> testing::Test* {
                                      return new case_test(one, level, source);
                                  });
        }
    }
}

} // namespace gv::conformance
