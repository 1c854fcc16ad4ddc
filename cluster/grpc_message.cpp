// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_message.hpp"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

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

grpc::ByteBuffer bytes_of(const google::protobuf::MessageLite& message) {
    grpc::ByteBuffer bytes;
    bool is_owned = false;
    using writer = grpc::ProtoBufferWriter;
    static_cast<void>(
        grpc::GenericSerialize<writer, google::protobuf::MessageLite>(message, &bytes, &is_owned));
    return bytes;
}

} // namespace gv::cluster
