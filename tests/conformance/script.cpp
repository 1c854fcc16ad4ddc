// SPDX-License-Identifier: Apache-2.0
// Carries out the steps of a case; client.* has what one client can do.
#include "tests/conformance/script.hpp"

#include "tests/conformance/client.hpp"

#include <functional>
#include <map>
#include <set>

namespace gv::conformance {
namespace {

using verb = std::function<void(client&, const json& details, const json& expectation)>;

const std::map<std::string, verb, std::less<>>& verbs() {
    static const std::map<std::string, verb, std::less<>> table{
        {"opens", [](client& c, const json&, const json&) { c.open(); }},
        {"connects", [](client& c, const json& d, const json& e) { c.connect(d, e); }},
        {"tries", [](client& c, const json& d, const json&) { c.try_connect(d); }},
        {"logs_in", [](client& c, const json& d, const json& e) { c.log_in(d, e); }},
        {"logs_in_again", [](client& c, const json& d, const json&) { c.log_in_again(d); }},
        {"sends", [](client& c, const json& d, const json&) { c.send(d); }},
        {"sends_raw", [](client& c, const json& d, const json&) { c.send_raw(d); }},
        {"subscribes", [](client& c, const json& d, const json& e) { c.subscribe(d, e); }},
        {"fails_to_subscribe",
         [](client& c, const json& d, const json&) { c.fail_to_subscribe(d); }},
        {"is_open", [](client& c, const json&, const json&) { c.expect_open(); }},
        {"unsubscribes", [](client& c, const json& d, const json& e) { c.unsubscribe(d, e); }},
        {"publishes", [](client& c, const json& d, const json& e) { c.publish(d, e); }},
        {"pings", [](client& c, const json&, const json&) { c.ping(); }},
        {"expects", [](client& c, const json& d, const json&) { c.expect(d); }},
        {"expects_any", [](client& c, const json& d, const json&) { c.expect_any(d); }},
        {"receives", [](client& c, const json& d, const json&) { c.receive(d); }},
        {"receives_any", [](client& c, const json& d, const json&) { c.receive_any(d); }},
        {"is_closed", [](client& c, const json& d, const json&) { c.expect_closed(d); }},
        {"is_refused", [](client& c, const json& d, const json&) { c.expect_refused(d); }},
        {"disconnects", [](client& c, const json& d, const json&) { c.disconnect(d); }},
        {"cuts", [](client& c, const json&, const json&) { c.cut(); }},
    };
    return table;
}

json part(const json& step, std::size_t index) {
    return step.size() > index ? step.at(index) : json();
}

class script {
  public:
    script(protocol_level level, world& where) : level_(level), world_(where) {}

    void run(const json& step) {
        const auto who = step.at(0).get<std::string>();
        const auto what = step.at(1).get<std::string>();
        if (who == "time") {
            return world_.advance(std::chrono::milliseconds(
                static_cast<std::int64_t>(step.at(2).get<double>() * 1000)));
        }
        if (who == "case") {
            return check_distinct(step.at(2));
        }
        auto& actor = actor_called(who);
        if (what == "gets_nothing") {
            return expect_nothing(actor);
        }
        verbs().at(what)(actor, details_of(what, part(step, 2)), for_level(part(step, 3), level_));
    }

    [[nodiscard]] std::string exchange() const {
        std::string lines;
        for (const auto& line : log_) {
            lines += "  " + line + "\n";
        }
        return lines;
    }

  private:
    client& actor_called(const std::string& name) {
        auto at = clients_.find(name);
        if (at == clients_.end()) {
            at = clients_
                     .emplace(name, std::make_unique<client>(
                                        circumstances{name, level_, world_, names_, log_}))
                     .first;
        }
        return *at->second;
    }

    /// In a pattern a name is bound by what matches it; in a packet it must be bound already.
    [[nodiscard]] json details_of(const std::string& what, const json& details) const {
        const auto chosen = for_level(details, level_);
        const bool is_pattern = what.starts_with("expects") || what.starts_with("receives");
        return is_pattern ? chosen : with_names(chosen, names_);
    }

    /// Handling may cross threads of the broker twice (to the home of a session and back), so
    /// every connection is asked twice before this one is believed.
    void expect_nothing(client& actor) {
        if (!world_.settle()) {
            for (int round = 0; round < 2; ++round) {
                for (auto& [name, other] : clients_) {
                    other->fence();
                }
                actor.fence();
                world_.carry();
            }
        }
        actor.expect_nothing();
    }

    void check_distinct(const json& list) {
        std::set<json> values;
        for (const auto& name : list) {
            values.insert(with_names(name, names_));
        }
        if (values.size() != list.size()) {
            throw step_failure("not distinct: " + printable(values));
        }
    }

    protocol_level level_;
    world& world_;
    bindings names_;
    std::vector<std::string> log_;
    std::map<std::string, std::unique_ptr<client>> clients_;
};

} // namespace

std::string run_case(const test_case& what, protocol_level level, world& where) {
    script running(level, where);
    for (std::size_t index = 0; index < what.steps.size(); ++index) {
        try {
            running.run(what.steps.at(index));
        } catch (const std::exception& error) {
            return what.file + ": \"" + what.name + "\", step " + std::to_string(index + 1) + ": "
                   + printable(what.steps.at(index)) + "\n" + error.what() + "\nThe exchange:\n"
                   + running.exchange();
        }
    }
    return {};
}

std::string check_steps(const json& steps) {
    for (const auto& step : steps) {
        const bool has_shape = step.is_array() && step.size() >= 2 && step.size() <= 4
                               && step.at(0).is_string() && step.at(1).is_string();
        if (!has_shape) {
            return "not a step: " + printable(step);
        }
        const auto who = step.at(0).get<std::string>();
        const auto what = step.at(1).get<std::string>();
        const bool is_known = who == "time"   ? what == "passes"
                              : who == "case" ? what == "distinct"
                                              : what == "gets_nothing" || verbs().contains(what);
        if (!is_known) {
            return "no such verb: " + printable(step);
        }
    }
    return steps.empty() ? "no steps" : "";
}

} // namespace gv::conformance
