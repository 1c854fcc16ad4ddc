// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_operator_server.hpp"

#include "cluster/grpc_unix_path.hpp"
#include "cluster/wire_operator.hpp"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <proto/grapevine_operator.grpc.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <system_error>
#include <utility>

namespace gv::cluster {

namespace {

namespace wire = grapevine::operate::v1;

/// How long the last answers may take at the end.
constexpr auto stop_patience = std::chrono::seconds(1);
/// More is no request of ours.
constexpr int request_bytes_max = 64 << 10;
constexpr int places_max = 64;

/// What an answer that comes later, from another thread, finds of the call.
template <typename Out>
class open_call {
  public:
    open_call(grpc::ServerUnaryReactor& reactor, Out& out) : reactor_(&reactor), out_(&out) {}

    template <typename Answer>
    void answer(const result<Answer, problem>& with) {
        const std::lock_guard lock(mutex_);
        if (reactor_ != nullptr) {
            encode(with, *out_);
            std::exchange(reactor_, nullptr)->Finish(grpc::Status::OK);
        }
    }
    /// Without an answer.
    void end(const grpc::Status& why) {
        const std::lock_guard lock(mutex_);
        if (reactor_ != nullptr) {
            std::exchange(reactor_, nullptr)->Finish(why);
        }
    }

  private:
    std::mutex mutex_;
    grpc::ServerUnaryReactor* reactor_; ///< null: it has ended
    Out* out_;
};

template <typename Answer, typename Out>
class reactor final : public grpc::ServerUnaryReactor {
  public:
    explicit reactor(Out& out) : call_(std::make_shared<open_call<Out>>(*this, out)) {}

    [[nodiscard]] operator_listener::reply<Answer> reply() {
        return [call = call_](result<Answer, problem> with) { call->answer(with); };
    }
    void refuse(const grpc::Status& why) { call_->end(why); }
    void OnCancel() override { call_->end(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

  private:
    std::shared_ptr<open_call<Out>> call_;
};

class operate_service final : public wire::Operate::CallbackService {
  public:
    explicit operate_service(operator_listener& listener) : listener_(listener) {}

    grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext*, const wire::StatusRequest*,
                                     wire::StatusAnswer* out) override {
        auto* const call = new reactor<operator_status, wire::StatusAnswer>(*out);
        listener_.on_status(call->reply());
        return call;
    }
    grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext*, const wire::JoinRequest* asked,
                                   wire::JoinAnswer* out) override {
        auto* const call = new reactor<operator_join, wire::JoinAnswer>(*out);
        operator_join_request wanted = decode(*asked);
        const int least = wanted.sessions == own_sessions::stay ? 1 : 0;
        if (asked->places_size() < least || asked->places_size() > places_max) {
            call->refuse({grpc::StatusCode::INVALID_ARGUMENT, "1 to 64 places"});
            return call;
        }
        listener_.on_join(std::move(wanted), call->reply());
        return call;
    }
    grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext*, const wire::LeaveRequest* asked,
                                    wire::LeaveAnswer* out) override {
        auto* const call = new reactor<operator_leave, wire::LeaveAnswer>(*out);
        listener_.on_leave({.is_forced = asked->is_forced(), .is_drain = asked->is_drain()},
                           call->reply());
        return call;
    }
    grpc::ServerUnaryReactor* Forget(grpc::CallbackServerContext*, const wire::ForgetRequest* asked,
                                     wire::ForgetAnswer* out) override {
        auto* const call = new reactor<operator_forget, wire::ForgetAnswer>(*out);
        listener_.on_forget(asked->which(), call->reply());
        return call;
    }

  private:
    operator_listener& listener_;
};

[[nodiscard]] std::string text_of(std::errc error) { return std::make_error_code(error).message(); }

[[nodiscard]] problem cannot_listen(const std::string& path, const std::string& why) {
    return {.place = path,
            .what = "the socket for operators cannot be made: " + why,
            .remedy = "let the broker write to that folder, or set cluster.operator_socket"};
}

[[nodiscard]] std::string last_error() { return text_of(static_cast<std::errc>(errno)); }

constexpr const char* socket_name = "socket"; ///< while it is made

[[nodiscard]] bool is_socket(const std::string& path) {
    struct stat what{};
    return ::lstat(path.c_str(), &what) == 0 && S_ISSOCK(what.st_mode);
}

/// A folder beside the socket that nobody else may enter, while the socket is made.
class workshop {
  public:
    explicit workshop(const std::string& path) : folder_(path + ".new") {
        clear(); // of a process that was killed in here
        is_made_ = ::mkdir(folder_.c_str(), 0700) == 0;
    }
    ~workshop() {
        if (is_made_) {
            clear();
        }
    }
    workshop(const workshop&) = delete;
    workshop& operator=(const workshop&) = delete;

    [[nodiscard]] bool is_made() const noexcept { return is_made_; }
    [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
    /// Gives it its mode and its place.
    [[nodiscard]] bool put(const std::string& name, const std::string& path) const {
        const std::string from = folder_ + "/" + name;
        return ::chmod(from.c_str(), 0600) == 0 && ::rename(from.c_str(), path.c_str()) == 0;
    }

  private:
    /// Whatever else is there is somebody else's, and stays.
    void clear() const {
        const std::string made = folder_ + "/" + socket_name;
        if (is_socket(made)) {
            ::unlink(made.c_str());
        }
        ::rmdir(folder_.c_str());
    }

    std::string folder_;
    bool is_made_ = false;
};

} // namespace

class operator_server::parts {
  public:
    parts(std::string path, operator_listener& listener)
        : path_(std::move(path)), service_(listener) {}

    [[nodiscard]] result<void, problem> start() {
        if (is_listening(path_)) {
            return failure(problem{.place = path_,
                                   .what = "another broker listens there for its operator",
                                   .remedy = "give this one another cluster.operator_socket"});
        }
        struct stat before{};
        if (::lstat(path_.c_str(), &before) == 0 && !S_ISSOCK(before.st_mode)) {
            return failure(problem{.place = path_,
                                   .what = "there is something that is no socket, where the socket "
                                           "for operators should be",
                                   .remedy = "move it away, or set cluster.operator_socket to "
                                             "another path"});
        }
        const workshop making(path_);
        if (!making.is_made()) {
            return failure(cannot_listen(making.folder(), last_error()));
        }
        const auto folder = open_folder::open(making.folder());
        if (!folder) {
            return failure(cannot_listen(path_, folder.error()));
        }
        int port = 0;
        grpc::ServerBuilder builder;
        builder.AddListeningPort("unix:" + folder->path_to(socket_name),
                                 grpc::InsecureServerCredentials(), &port);
        builder.SetMaxReceiveMessageSize(request_bytes_max);
        builder.RegisterService(&service_);
        server_ = builder.BuildAndStart();
        if (server_ == nullptr || port <= 0) {
            return failure(cannot_listen(path_, "gRPC cannot listen in that folder"));
        }
        if (!making.put(socket_name, path_) || ::stat(path_.c_str(), &made_) != 0) {
            return failure(cannot_listen(path_, last_error()));
        }
        is_there_ = true;
        return {};
    }
    void stop() {
        struct stat now{};
        if (std::exchange(is_there_, false) && ::stat(path_.c_str(), &now) == 0
            && now.st_ino == made_.st_ino && now.st_dev == made_.st_dev) {
            ::unlink(path_.c_str());
        }
        if (server_ != nullptr) {
            server_->Shutdown(std::chrono::system_clock::now() + stop_patience);
            server_.reset();
        }
    }
    ~parts() { stop(); }
    parts(const parts&) = delete;
    parts& operator=(const parts&) = delete;

  private:
    std::string path_;
    operate_service service_;
    std::unique_ptr<grpc::Server> server_;
    struct stat made_{};
    bool is_there_ = false;
};

operator_server::operator_server(std::unique_ptr<parts> made) noexcept : parts_(std::move(made)) {}

operator_server::~operator_server() = default;

result<std::unique_ptr<operator_server>, problem>
operator_server::start(const std::string& path, operator_listener& listener) {
    auto made = std::make_unique<parts>(path, listener);
    if (const auto started = made->start(); !started) {
        return failure(started.error());
    }
    return std::unique_ptr<operator_server>(new operator_server(std::move(made)));
}

void operator_server::stop() { parts_->stop(); }

} // namespace gv::cluster
