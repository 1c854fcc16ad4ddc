// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_questions.hpp"

#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_incoming.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/wire_membership.hpp"

#include <grpcpp/channel.h>
#include <proto/grapevine_cluster.grpc.pb.h>

#include <algorithm>
#include <unordered_map>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

using stub_pointer = std::shared_ptr<wire::Membership::Stub>;

[[nodiscard]] bool is_nothing(const wire::Envelope& answer) {
    return answer.body_case() == wire::Envelope::BODY_NOT_SET && answer.from() == 0;
}

[[nodiscard]] duration deadline_of(const message_body& body,
                                   const grpc_transport_options& options) {
    if (std::holds_alternative<push_pull>(body)) {
        return options.rows_within;
    }
    const bool is_probe =
        std::holds_alternative<probe>(body) || std::holds_alternative<probe_request>(body);
    return is_probe ? options.probe_within : options.notice_within;
}

/// One question of this node, until its call is over.
class asked_question final : public running_call {
  public:
    asked_question(grpc_core& core, std::string address, const envelope& question)
        : core_(core), address_(std::move(address)), to_(question.to) {
        encode(question, question_);
        context_.set_deadline(std::chrono::system_clock::now()
                              + deadline_of(question.body, core_.options));
    }
    void cancel() override { context_.TryCancel(); }

    /// Lifetime: deletes itself.
    void start(stub_pointer stub) {
        stub_ = std::move(stub);
        auto& calls = *stub_->async();
        const auto done = [this](const grpc::Status& status) { end(status); };
        if (question_.has_probe()) {
            calls.Probe(&context_, &question_, &answer_, done);
        } else if (question_.has_probe_request()) {
            calls.IndirectProbe(&context_, &question_, &answer_, done);
        } else if (question_.has_push_pull()) {
            calls.PushPull(&context_, &question_, &answer_, done);
        } else {
            calls.Notify(&context_, &question_, &answer_, done);
        }
    }

  private:
    void end(const grpc::Status& status) {
        if (!status.ok() || !take_answer()) {
            add_one(core_.counts.questions_unanswered);
        }
        core_.options.security.made->look_at(status, address_);
        if (is_refused(status)) {
            core_.listener.on_refused(to_, std::move(address_));
        }
        core_.questions_open.fetch_sub(1, std::memory_order_relaxed);
        core_.calls.end(this);
    }
    [[nodiscard]] bool take_answer() {
        if (is_nothing(answer_)) {
            return false;
        }
        auto answer = decode(answer_, core_.options.members);
        if (!answer) {
            add_one(core_.counts.malformed);
            return false;
        }
        if (!core_.options.security.made->is(context_.auth_context().get(), answer->from,
                                             address_)) {
            return false;
        }
        core_.listener.on_answer(std::move(*answer));
        return true;
    }

    grpc_core& core_;
    std::string address_;
    node_id to_;
    stub_pointer stub_;
    grpc::ClientContext context_;
    wire::Envelope question_;
    wire::Envelope answer_;
};

class heard_question;

/// Questions of others that have no answer yet. Whoever takes one out ends its call. Thread-safe.
class open_questions {
  public:
    explicit open_questions(std::size_t most) : most_(most) {}
    /// Null id: there are too many.
    [[nodiscard]] question_id put(heard_question& question) {
        const std::lock_guard lock(mutex_);
        if (open_.size() >= most_) {
            return question_id{};
        }
        const question_id id{++last_};
        open_.emplace(id, &question);
        return id;
    }
    [[nodiscard]] heard_question* take(question_id which) {
        const std::lock_guard lock(mutex_);
        const auto found = open_.extract(which);
        return found.empty() ? nullptr : found.mapped();
    }

  private:
    const std::size_t most_;
    std::mutex mutex_;
    std::unordered_map<question_id, heard_question*> open_;
    std::uint64_t last_ = 0;
};

/// One question of another node.
class heard_question final : public grpc::ServerUnaryReactor {
  public:
    heard_question(open_questions& open, grpc::ByteBuffer& answer) : open_(open), answer_(answer) {}

    void hear(grpc_core& core, const grpc::CallbackServerContext& context, grpc::ByteBuffer asked) {
        auto question = read(core, asked);
        if (!question) {
            add_one(core.counts.malformed);
            return Finish(
                {grpc::StatusCode::INVALID_ARGUMENT, std::string(text_of(question.error()))});
        }
        if (const grpc::Status known = check(core, context, question->from); !known.ok()) {
            return Finish(known);
        }
        // From here on it may end at any time; it is not deleted before gRPC has it back.
        id_ = open_.put(*this);
        if (id_ == question_id{}) {
            add_one(core.counts.questions_dropped);
            return Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many open questions"});
        }
        core.listener.on_question(id_, std::move(*question));
    }
    /// Requires: it was taken out.
    void answer(const envelope* answer) {
        wire::Envelope out;
        if (answer != nullptr) {
            encode(*answer, out);
        }
        answer_ = bytes_of(out);
        Finish(grpc::Status::OK);
    }
    void OnCancel() override {
        if (open_.take(id_) != nullptr) {
            Finish(grpc::Status::CANCELLED);
        }
    }
    void OnDone() override { delete this; }

  private:
    [[nodiscard]] static result<envelope, decode_fault> read(const grpc_core& core,
                                                             grpc::ByteBuffer& bytes) {
        wire::Envelope message;
        if (auto parsed = parse(bytes, envelope_bytes_max, message); !parsed) {
            return failure(parsed.error());
        }
        return decode(message, core.options.members);
    }

    open_questions& open_;
    grpc::ByteBuffer& answer_;
    question_id id_;
};

} // namespace

class question_calls::asking {
  public:
    explicit asking(grpc_core& core) : core_(core) {}

    void ask(std::string address, const envelope& question) {
        add_one(core_.counts.questions_sent);
        if (core_.questions_open.load(std::memory_order_relaxed) >= core_.options.questions_max) {
            return add_one(core_.counts.questions_dropped);
        }
        stub_pointer stub = stub_for(address);
        auto call = std::make_unique<asked_question>(core_, std::move(address), question);
        if (core_.calls.enter(*call)) {
            core_.questions_open.fetch_add(1, std::memory_order_relaxed);
            call.release()->start(std::move(stub));
        }
    }

    /// A channel that was refused answers so itself until its next attempt.
    void dial_again(const std::string& address) {
        const std::lock_guard lock(mutex_);
        const auto found = connections_.find(address);
        if (found != connections_.end()
            && found->second.channel->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
            connections_.erase(found);
        }
    }

  private:
    struct connection {
        std::shared_ptr<grpc::Channel> channel;
        stub_pointer stub;
        std::uint64_t last_used = 0;
    };
    /// More than there can be members and seeds at a time.
    static constexpr std::size_t connections_max = 1'536;

    stub_pointer stub_for(const std::string& address) {
        const std::lock_guard lock(mutex_);
        auto found = connections_.find(address);
        if (found == connections_.end()) {
            if (connections_.size() >= connections_max) {
                connections_.erase(least_used());
            }
            auto channel =
                open_channel(address, core_.options, core_.options.few_bytes, envelope_bytes_max);
            stub_pointer stub = wire::Membership::NewStub(channel);
            found = connections_.emplace(address, connection{std::move(channel), std::move(stub)})
                        .first;
        }
        found->second.last_used = ++uses_;
        return found->second.stub;
    }
    [[nodiscard]] std::unordered_map<std::string, connection>::iterator least_used() {
        return std::ranges::min_element(connections_, {},
                                        [](const auto& each) { return each.second.last_used; });
    }

    grpc_core& core_;
    std::mutex mutex_;
    std::unordered_map<std::string, connection> connections_;
    std::uint64_t uses_ = 0;
};

namespace {

/// Calls whose bytes are looked at before they are parsed.
template <typename Base>
using raw_probe = wire::Membership::WithRawCallbackMethod_Probe<Base>;
template <typename Base>
using raw_indirect_probe = wire::Membership::WithRawCallbackMethod_IndirectProbe<Base>;
template <typename Base>
using raw_push_pull = wire::Membership::WithRawCallbackMethod_PushPull<Base>;
template <typename Base>
using raw_notify = wire::Membership::WithRawCallbackMethod_Notify<Base>;
using raw_membership =
    raw_probe<raw_indirect_probe<raw_push_pull<raw_notify<wire::Membership::Service>>>>;

} // namespace

class question_calls::hearing final : public raw_membership {
  public:
    explicit hearing(grpc_core& core) : core_(core), open_(core.options.questions_max) {}

    grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* asked,
                                    grpc::ByteBuffer* answer) override {
        return hear(*context, *asked, *answer);
    }
    grpc::ServerUnaryReactor* IndirectProbe(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* asked,
                                            grpc::ByteBuffer* answer) override {
        return hear(*context, *asked, *answer);
    }
    grpc::ServerUnaryReactor* PushPull(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* asked,
                                       grpc::ByteBuffer* answer) override {
        return hear(*context, *asked, *answer);
    }
    grpc::ServerUnaryReactor* Notify(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* asked,
                                     grpc::ByteBuffer* answer) override {
        return hear(*context, *asked, *answer);
    }

    void answer(question_id which, const envelope* answer) {
        if (heard_question* question = open_.take(which)) {
            question->answer(answer);
        }
    }

  private:
    grpc::ServerUnaryReactor* hear(const grpc::CallbackServerContext& context,
                                   const grpc::ByteBuffer& asked, grpc::ByteBuffer& answer) {
        auto* question = new heard_question(open_, answer);
        question->hear(core_, context, asked);
        return question;
    }

    grpc_core& core_;
    open_questions open_;
};

question_calls::question_calls(grpc_core& core)
    : asking_(std::make_unique<asking>(core)), hearing_(std::make_unique<hearing>(core)) {}

question_calls::~question_calls() = default;

grpc::Service& question_calls::service() noexcept { return *hearing_; }

void question_calls::ask(std::string address, const envelope& question) {
    asking_->ask(std::move(address), question);
}

void question_calls::dial_again(const std::string& address) { asking_->dial_again(address); }

void question_calls::answer(question_id which, const envelope* answer) {
    hearing_->answer(which, answer);
}

} // namespace gv::cluster
