/* Hidden attributes (crypto/hide.h, PKT-16); the values themselves are in tests/vectors/hidden.txt. */
#include "check.h"
#include "crypto/hide.h"

#include <string.h>

static const uint8_t auth_octets[16] = {0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57,
                                        0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a};

typedef struct {
    rsec_digest *digest;
    rsec_view secret, auth;
} tools;

static tools open_tools(void) {
    tools all = {.secret = rsec_view_of("xyzzy5461", 9), .auth = rsec_view_of(auth_octets, 16)};
    CHECK_INT(rsec_digest_new(&all.digest), RSEC_OK);
    return all;
}

static void close_tools(tools *all) {
    rsec_digest_free(all->digest);
}

static void fill(uint8_t *octets, size_t len) {
    for (size_t i = 0; i < len; i++) {
        octets[i] = (uint8_t)(i * 7 + 1);
    }
}

TEST(pkt_16_password_of_every_length_round_trips) {
    tools all = open_tools();
    uint8_t password[253], hidden[256], again[256];
    fill(password, sizeof password);
    for (size_t n = 0; n <= sizeof password; n++) {
        size_t padded = (n + 15) / 16 * 16, len = sizeof hidden, len_again = sizeof again;
        CHECK_INT(rsec_password_hide(all.digest, all.secret, all.auth, rsec_view_of(password, n), hidden, &len),
                  RSEC_OK);
        CHECK_INT(len, padded);
        CHECK(n == 0 || memcmp(hidden, password, n) != 0);
        CHECK_INT(rsec_password_unhide(all.digest, all.secret, all.auth, rsec_view_of(hidden, len), again, &len_again),
                  RSEC_OK);
        CHECK_INT(len_again, padded);
        CHECK_OCTETS(again, n, password, n);
        for (size_t i = n; i < padded; i++) {
            CHECK_INT(again[i], 0);
        }
    }
    close_tools(&all);
}

TEST(pkt_16_password_without_room) {
    tools all = open_tools();
    uint8_t out[33];
    memset(out, 0xee, sizeof out);
    size_t len = 15;
    CHECK_INT(rsec_password_hide(all.digest, all.secret, all.auth, rsec_view_of("x", 1), out, &len), RSEC_TOO_LONG);
    CHECK_INT(len, 0);
    len = 31;
    CHECK_INT(rsec_password_hide(all.digest, all.secret, all.auth, rsec_view_of("0123456789abcdefg", 17), out, &len),
              RSEC_TOO_LONG);
    len = 16;
    CHECK_INT(rsec_password_unhide(all.digest, all.secret, all.auth, rsec_view_of(auth_octets, 16), out, &len),
              RSEC_OK);
    CHECK_INT(out[16], 0xee);
    len = 15;
    CHECK_INT(rsec_password_unhide(all.digest, all.secret, all.auth, rsec_view_of(auth_octets, 16), out, &len),
              RSEC_TOO_LONG);
    CHECK_INT(len, 0);
    close_tools(&all);
}

TEST(pkt_16_password_with_a_short_last_block) {
    tools all = open_tools();
    uint8_t password[32], hidden[32], again[32];
    size_t len = sizeof hidden;
    fill(password, sizeof password);
    CHECK_INT(rsec_password_hide(all.digest, all.secret, all.auth, rsec_view_of(password, 32), hidden, &len), RSEC_OK);
    for (size_t n = 0; n <= 32; n++) {
        size_t len_again = sizeof again;
        CHECK_INT(rsec_password_unhide(all.digest, all.secret, all.auth, rsec_view_of(hidden, n), again, &len_again),
                  RSEC_OK);
        CHECK_OCTETS(again, len_again, password, n);
    }
    close_tools(&all);
}

TEST(pkt_16_password_in_place) {
    tools all = open_tools();
    uint8_t octets[48], password[40], hidden[48];
    size_t len = sizeof hidden, len_here = sizeof octets;
    fill(password, sizeof password);
    memcpy(octets, password, sizeof password);
    CHECK_INT(rsec_password_hide(all.digest, all.secret, all.auth, rsec_view_of(password, 40), hidden, &len), RSEC_OK);
    CHECK_INT(rsec_password_hide(all.digest, all.secret, all.auth, rsec_view_of(octets, 40), octets, &len_here),
              RSEC_OK);
    CHECK_OCTETS(octets, len_here, hidden, len);
    CHECK_INT(rsec_password_unhide(all.digest, all.secret, all.auth, rsec_view_of(octets, 48), octets, &len_here),
              RSEC_OK);
    CHECK_OCTETS(octets, 40, password, 40);
    close_tools(&all);
}

TEST(pkt_16_salted_of_every_length_round_trips) {
    tools all = open_tools();
    const uint8_t salt[2] = {0x12, 0x34};
    uint8_t data[240], hidden[256], again[256];
    fill(data, sizeof data);
    for (size_t n = 0; n <= 239; n++) {
        size_t len = sizeof hidden, len_again = sizeof again;
        CHECK_INT(rsec_salted_hide(all.digest, all.secret, all.auth, salt, rsec_view_of(data, n), hidden, &len),
                  RSEC_OK);
        CHECK_INT(len, 2 + (n + 16) / 16 * 16);
        CHECK_INT(hidden[0], 0x92); /* RFC 2868 §3.5: the salt's top bit is set */
        CHECK_INT(hidden[1], 0x34);
        CHECK_INT(rsec_salted_unhide(all.digest, all.secret, all.auth, rsec_view_of(hidden, len), again, &len_again),
                  RSEC_OK);
        CHECK_OCTETS(again, len_again, data, n);
    }
    size_t len = sizeof hidden;
    CHECK_INT(rsec_salted_hide(all.digest, all.secret, all.auth, salt, rsec_view_of(data, 240), hidden, &len),
              RSEC_TOO_LONG);
    CHECK_INT(len, 0);
    len = 17;
    CHECK_INT(rsec_salted_hide(all.digest, all.secret, all.auth, salt, rsec_view_of(data, 1), hidden, &len),
              RSEC_TOO_LONG);
    close_tools(&all);
}

TEST(pkt_16_salted_blocks_cut_short) {
    tools all = open_tools();
    uint8_t hidden[256] = {0x80, 0x01}, again[256];
    for (size_t n = 0; n <= sizeof hidden; n++) {
        if (n >= 18 && (n - 2) % 16 == 0) {
            continue;
        }
        size_t len = sizeof again;
        CHECK_INT(rsec_salted_unhide(all.digest, all.secret, all.auth, rsec_view_of(hidden, n), again, &len),
                  RSEC_ATTR_VALUE);
        CHECK_INT(len, 0);
    }
    close_tools(&all);
}

TEST(pkt_16_salted_with_another_secret_is_told_or_other_octets) {
    tools all = open_tools();
    const uint8_t salt[2] = {0x80, 0};
    uint8_t hidden[64], again[256];
    unsigned told = 0;
    for (unsigned i = 0; i < 256; i++) {
        char other[8] = {'o', 't', 'h', 'e', 'r', (char)('a' + i % 26), (char)('a' + i / 26), 0};
        size_t len = sizeof hidden, len_again = sizeof again;
        CHECK_INT(
            rsec_salted_hide(all.digest, all.secret, all.auth, salt, rsec_view_of("session key", 11), hidden, &len),
            RSEC_OK);
        rsec_status status = rsec_salted_unhide(all.digest, rsec_view_of(other, 7), all.auth, rsec_view_of(hidden, len),
                                                again, &len_again);
        CHECK(status == RSEC_OK || status == RSEC_BAD_SECRET);
        told += status == RSEC_BAD_SECRET;
        CHECK(len_again != 11 || memcmp(again, "session key", 11) != 0);
        CHECK(status == RSEC_OK || len_again == 0);
    }
    CHECK(told > 200); /* one block: 240 of 256 values of the inner length do not fit */
    close_tools(&all);
}

TEST(pkt_16_salted_without_room) {
    tools all = open_tools();
    const uint8_t salt[2] = {0x80, 0};
    uint8_t hidden[64], again[5];
    size_t len = sizeof hidden, len_again = 4;
    CHECK_INT(rsec_salted_hide(all.digest, all.secret, all.auth, salt, rsec_view_of("12345", 5), hidden, &len),
              RSEC_OK);
    CHECK_INT(rsec_salted_unhide(all.digest, all.secret, all.auth, rsec_view_of(hidden, len), again, &len_again),
              RSEC_TOO_LONG);
    CHECK_INT(len_again, 0);
    len_again = 5;
    CHECK_INT(rsec_salted_unhide(all.digest, all.secret, all.auth, rsec_view_of(hidden, len), again, &len_again),
              RSEC_OK);
    CHECK_OCTETS(again, len_again, "12345", 5);
    close_tools(&all);
}
