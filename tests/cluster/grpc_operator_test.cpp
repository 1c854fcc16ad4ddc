// SPDX-License-Identifier: Apache-2.0
// The operator's door: what is asked without sense, and what is in the place of its socket.
#include "cluster/grpc_operator_server.hpp"
#include "cluster/grpc_unix_path.hpp"
#include "tests/cluster/grpc_peer.hpp"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <proto/grapevine_operator.grpc.pb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace gv::cluster {

namespace {

namespace wire = grapevine::operate::v1;

using testing::HasSubstr;

class silent_listener final : public operator_listener {
  public:
    void on_status(reply<operator_status>) override {}
    void on_join(operator_join_request, reply<operator_join> answer) override {
        answer(operator_join());
    }
    void on_leave(operator_leave_request, reply<operator_leave>) override {}
    void on_forget(std::string, reply<operator_forget>) override {}
};

class GrpcOperator : public testing::Test {
  protected:
    GrpcOperator() {
        std::string pattern = (std::filesystem::temp_directory_path() / "operate-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        path_ = folder_ + "/socket";
    }
    ~GrpcOperator() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] problem refusal() {
        const auto started = operator_server::start(path_, listener_);
        return started ? problem{.place = {}, .what = "it was started", .remedy = {}}
                       : started.error();
    }
    static void write(const std::string& path) { std::ofstream(path) << "precious"; }
    [[nodiscard]] static std::string read(const std::string& path) {
        std::string text;
        std::ifstream(path) >> text;
        return text;
    }

    silent_listener listener_;
    std::string folder_;
    std::string path_;
};

TEST_F(GrpcOperator, AJoinWithoutPlacesIsRefusedOnceEvenIfItIsCancelled) {
    const auto door = operator_server::start(path_, listener_);
    ASSERT_TRUE(door) << door.error().what;
    wire::Operate::Stub stub(
        grpc::CreateChannel("unix:" + path_, grpc::InsecureChannelCredentials()));
    for (int i = 0; i < 100; ++i) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now()
                             + (i % 2 == 0 ? std::chrono::microseconds(20 * i)
                                           : std::chrono::microseconds(10'000'000)));
        wire::JoinAnswer answer;
        const grpc::Status status = stub.Join(&context, wire::JoinRequest(), &answer);
        EXPECT_FALSE(status.ok());
        if (i % 2 == 1) {
            EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
        }
    }
    wire::JoinRequest asked;
    asked.add_places("a:1");
    grpc::ClientContext context;
    wire::JoinAnswer answer;
    EXPECT_TRUE(stub.Join(&context, asked, &answer).ok()) << "it goes on serving";
}

TEST_F(GrpcOperator, OnlyASocketIsReplaced) {
    write(path_);
    EXPECT_THAT(refusal().what, HasSubstr("no socket"));
    EXPECT_EQ(refusal().place, path_);
    EXPECT_EQ(read(path_), "precious");
    std::filesystem::remove(path_);
    std::filesystem::create_symlink("elsewhere", path_);
    EXPECT_THAT(refusal().what, HasSubstr("no socket"));
    std::filesystem::remove(path_);
    ASSERT_TRUE(operator_server::start(path_, listener_));
}

TEST_F(GrpcOperator, NothingOfAnybodyElseIsErasedBesideIt) {
    write(path_ + ".new");
    EXPECT_EQ(refusal().place, path_ + ".new");
    EXPECT_EQ(read(path_ + ".new"), "precious");
    std::filesystem::remove(path_ + ".new");
    std::filesystem::create_directory(path_ + ".new");
    write(path_ + ".new/notes");
    EXPECT_EQ(refusal().place, path_ + ".new");
    EXPECT_EQ(read(path_ + ".new/notes"), "precious");
    std::filesystem::remove(path_ + ".new/notes");
    ASSERT_TRUE(operator_server::start(path_, listener_)) << "an empty one is of a killed process";
    EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(GrpcOperator, WhoHasNoRoomForConnectionsIsThereAndNotWaitedFor) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::strncpy(where.sun_path, path_.c_str(), sizeof where.sun_path - 1);
    const int busy = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(busy, reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
    ASSERT_EQ(::listen(busy, 0), 0);
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(is_listening(path_)); // the first fills its queue
    }
    ::close(busy);
    EXPECT_FALSE(is_listening(path_));
}

} // namespace

} // namespace gv::cluster
