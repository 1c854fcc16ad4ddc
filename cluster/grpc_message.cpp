// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_message.hpp"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <proto/grapevine_cluster.pb.h>

#include <algorithm>
#include <array>
#include <vector>

namespace gv::cluster {

result<void, decode_fault> parse(grpc::ByteBuffer& bytes, std::size_t most,
                                 google::protobuf::MessageLite& out) {
    if (bytes.Length() > most) {
        bytes.Clear();
        return failure(decode_fault(wire_fault::too_large));
    }
    using reader = grpc::ProtoBufferReader;
    if (!grpc::GenericDeserialize<reader, google::protobuf::MessageLite>(&bytes, &out).ok()) {
        return failure(decode_fault(wire_fault::malformed));
    }
    return {};
}

std::size_t control_frame_limit(const grpc::ByteBuffer& bytes, std::size_t receive_bytes_max) {
    if (bytes.Length() <= control_frame_bytes_max) {
        return control_frame_bytes_max;
    }
    constexpr std::array<std::uint8_t, 2> tag{
        // of its one field, with a length behind
        grapevine::cluster::v1::ControlFrame::kRetainedPageFieldNumber % 16 << 3 | 0x82,
        grapevine::cluster::v1::ControlFrame::kRetainedPageFieldNumber / 16};
    std::vector<grpc::Slice> slices;
    std::vector<std::uint8_t> first; // they may be cut anywhere
    if (bytes.Dump(&slices).ok()) {
        for (auto each = slices.begin(); each != slices.end() && first.size() < tag.size();
             ++each) {
            const std::size_t count = std::min(each->size(), tag.size() - first.size());
            first.insert(first.end(), each->begin(), each->begin() + count);
        }
    }
    return std::ranges::equal(first, tag) ? receive_bytes_max : control_frame_bytes_max;
}

grpc::ByteBuffer bytes_of(const google::protobuf::MessageLite& message) {
    grpc::ByteBuffer bytes;
    bool is_owned = false;
    using writer = grpc::ProtoBufferWriter;
    static_cast<void>(
        grpc::GenericSerialize<writer, google::protobuf::MessageLite>(message, &bytes, &is_owned));
    return bytes;
}

} // namespace gv::cluster
