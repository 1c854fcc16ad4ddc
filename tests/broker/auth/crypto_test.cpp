// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/crypto.hpp"

#include <gtest/gtest.h>

namespace gv::auth {
namespace {

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    }
    return bytes;
}

TEST(CryptoBase64, FollowsTheExamplesOfRfc4648) {
    for (const auto& [bytes, text] : {std::pair{"", ""},
                                      {"f", "Zg=="},
                                      {"fo", "Zm8="},
                                      {"foo", "Zm9v"},
                                      {"foob", "Zm9vYg=="},
                                      {"fooba", "Zm9vYmE="},
                                      {"foobar", "Zm9vYmFy"}}) {
        EXPECT_EQ(base64_encode(bytes), text);
        EXPECT_EQ(base64_decode(text), bytes);
    }
}

TEST(CryptoBase64, RefusesWhatItWouldNotWrite) {
    for (const auto* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n",
                             " Zm9v", "Zm9v    ", "Zm9-", "Zm 9"}) {
        EXPECT_EQ(base64_decode(text), std::nullopt) << text;
    }
}

TEST(CryptoDigest, KnowsTheAnswersForAbc) {
    EXPECT_EQ(hash(digest::sha256, "abc"),
              from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    EXPECT_EQ(hash(digest::sha512, "abc").substr(0, 8), from_hex("ddaf35a193617aba"));
}

TEST(CryptoHmac, FollowsRfc4231Case2) {
    EXPECT_EQ(hmac(digest::sha256, "Jefe", "what do ya want for nothing?"),
              from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    EXPECT_EQ(hmac(digest::sha512, "Jefe", "what do ya want for nothing?").substr(0, 8),
              from_hex("164b7a7bfcf819e2"));
}

TEST(CryptoPbkdf2, FollowsRfc7914AndTakesEmptyInput) {
    // RFC 7914, 11 gives 64 bytes; the first 32 are the first block.
    EXPECT_EQ(pbkdf2(digest::sha256, "passwd", "salt", 1),
              from_hex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"));
    EXPECT_NE(pbkdf2(digest::sha512, "", "salt", 1), std::string(64, '\0'));
    EXPECT_NE(pbkdf2(digest::sha512, "", "salt", 1), pbkdf2(digest::sha512, "x", "salt", 1));
}

TEST(CryptoRandom, DiffersEachTime) {
    EXPECT_EQ(random_bytes(16).size(), 16U);
    EXPECT_NE(random_bytes(16), random_bytes(16));
}

TEST(CryptoEqual, ComparesWholeValues) {
    EXPECT_TRUE(constant_time_equal("", ""));
    EXPECT_TRUE(constant_time_equal("abc", "abc"));
    EXPECT_FALSE(constant_time_equal("abc", "abd"));
    EXPECT_FALSE(constant_time_equal("abc", "ab"));
}

} // namespace
} // namespace gv::auth
