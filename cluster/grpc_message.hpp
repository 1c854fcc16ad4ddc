// SPDX-License-Identifier: Apache-2.0
// Messages from and to the bytes of gRPC. A message may take forty times its bytes when it is
// parsed (rows that are empty), so its size is looked at before.
#pragma once

#include "cluster/grpc_transport.hpp"
#include "cluster/wire_fault.hpp"

namespace grpc {
class ByteBuffer;
} // namespace grpc
namespace google::protobuf {
class MessageLite;
} // namespace google::protobuf

namespace gv::cluster {

/// What the kinds of messages may have, all that is said of them included.
inline constexpr std::size_t envelope_bytes_max = 2u << 20;
inline constexpr std::size_t control_frame_bytes_max = 4u << 20;
inline constexpr std::size_t control_end_bytes_max = 1'024;
inline constexpr std::size_t lane_request_bytes_max = lane_frame_bytes_max + 1'024;
inline constexpr std::size_t lane_response_bytes_max = lane_reply_bytes_max + 1'024;

/// What a frame of a control stream may have: a page of retained messages as much as a message,
/// since it is of one row where that is large.
[[nodiscard]] std::size_t control_frame_limit(const grpc::ByteBuffer& bytes,
                                              std::size_t receive_bytes_max);

/// Gives up the bytes. Errors: more than `most`, or not such a message.
[[nodiscard]] result<void, decode_fault> parse(grpc::ByteBuffer& bytes, std::size_t most,
                                               google::protobuf::MessageLite& out);

[[nodiscard]] grpc::ByteBuffer bytes_of(const google::protobuf::MessageLite& message);

} // namespace gv::cluster
