/* Hex, interface ids, Ethernet addresses and UTF-8 (wire/value.h). */
#include "check.h"
#include "wire/value.h"

#include <string.h>

TEST(hex_reads_both_cases_with_and_without_0x) {
    static const char *const good[] = {"0x0aBcfF", "0aBcfF", "0X0abcff"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t octets[3];
        size_t len = sizeof octets;
        CHECK_INT(rsec_hex_parse(good[i], strlen(good[i]), octets, &len), RSEC_OK);
        CHECK_OCTETS(octets, len, "\x0a\xbc\xff", 3);
    }
    uint8_t octets[4];
    size_t len = sizeof octets;
    CHECK_INT(rsec_hex_parse("", 0, octets, &len), RSEC_OK);
    CHECK_INT(len, 0);
    len = sizeof octets;
    CHECK_INT(rsec_hex_parse("0x", 2, octets, &len), RSEC_OK);
    CHECK_INT(len, 0);
}

TEST(hex_refuses_what_is_none) {
    static const char *const bad[] = {"0", "0x0", "0g", "xx", "0 0 ", "0x0x00", "+f", "00\n0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[8];
        size_t len = sizeof octets;
        CHECK_INT(rsec_hex_parse(bad[i], strlen(bad[i]), octets, &len), RSEC_ATTR_VALUE);
        CHECK_INT(len, 0);
    }
    uint8_t octets[2];
    size_t len = sizeof octets;
    CHECK_INT(rsec_hex_parse("000000", 6, octets, &len), RSEC_TOO_LONG);
    CHECK_INT(len, 0);
}

TEST(hex_every_octet_round_trips) {
    uint8_t octets[256], again[256];
    char text[513];
    for (size_t i = 0; i < sizeof octets; i++) {
        octets[i] = (uint8_t)i;
    }
    CHECK_INT(rsec_hex_format(rsec_view_of(octets, sizeof octets), text), 512);
    CHECK_INT(strlen(text), 512);
    CHECK(strncmp(text, "000102030405060708090a0b0c0d0e0f10", 34) == 0);
    size_t len = sizeof again;
    CHECK_INT(rsec_hex_parse(text, 512, again, &len), RSEC_OK);
    CHECK_OCTETS(again, len, octets, sizeof octets);
}

TEST(ifid_text) {
    uint8_t octets[8];
    char text[RSEC_IFID_TEXT];
    CHECK_INT(rsec_ifid_parse("0:1:Abc:ffff", 12, octets), RSEC_OK);
    CHECK_OCTETS(octets, 8, "\0\0\0\1\x0a\xbc\xff\xff", 8);
    CHECK_INT(rsec_ifid_format(octets, text), 19);
    CHECK_TEXT(text, "0000:0001:0abc:ffff");
    static const char *const bad[] = {"",      "0:1:2",   "0:1:2:",  "0:1:2:3:4", "0:1:2:12345",
                                      "::1:2", "0:1:2:g", "0-1-2-3", "0:1:2:3 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(rsec_ifid_parse(bad[i], strlen(bad[i]), octets), RSEC_ATTR_VALUE);
    }
}

TEST(ether_text) {
    uint8_t octets[6];
    char text[RSEC_ETHER_TEXT];
    static const char *const good[] = {"00:11:22:aa:bb:0c", "00-11-22-AA-BB-0C", "0:11:22:aa:bb:c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_INT(rsec_ether_parse(good[i], strlen(good[i]), octets), RSEC_OK);
        CHECK_OCTETS(octets, 6, "\x00\x11\x22\xaa\xbb\x0c", 6);
        CHECK_INT(rsec_ether_format(octets, text), 17);
        CHECK_TEXT(text, "00:11:22:aa:bb:0c");
    }
    static const char *const bad[] = {"",
                                      "00:11:22:aa:bb",
                                      "00:11:22:aa:bb:",
                                      "00:11:22:aa:bb:cc:dd",
                                      "00.11.22.aa.bb.cc",
                                      "001122aabbcc",
                                      "00:11:22:aa:bb:1cc",
                                      "00:11:22:aa:bb:zz"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(rsec_ether_parse(bad[i], strlen(bad[i]), octets), RSEC_ATTR_VALUE);
    }
}

/* RFC 3629 §4 as a table, every lead octet against every second octet. */
static bool is_utf8_pair(unsigned a, unsigned b) {
    return a < 0x80 ? b < 0x80 : a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
}

TEST(utf8_every_pair_of_octets) {
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t octets[2] = {(uint8_t)a, (uint8_t)b};
            CHECK_INT(rsec_utf8_is_valid(rsec_view_of(octets, 2)), is_utf8_pair(a, b));
        }
    }
}

TEST(utf8_every_second_octet_of_longer_forms) {
    for (unsigned a = 0xe0; a < 0x100; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t three[3] = {(uint8_t)a, (uint8_t)b, 0x80}, four[4] = {(uint8_t)a, (uint8_t)b, 0x80, 0xbf};
            bool is_tail = b >= 0x80 && b <= 0xbf;
            bool is_three = a < 0xf0 && is_tail && (a != 0xe0 || b >= 0xa0) && (a != 0xed || b < 0xa0);
            bool is_four = a >= 0xf0 && a <= 0xf4 && is_tail && (a != 0xf0 || b >= 0x90) && (a != 0xf4 || b < 0x90);
            CHECK_INT(rsec_utf8_is_valid(rsec_view_of(three, 3)), is_three);
            CHECK_INT(rsec_utf8_is_valid(rsec_view_of(four, 4)), is_four);
            CHECK(!rsec_utf8_is_valid(rsec_view_of(three, 2)));
            CHECK(!rsec_utf8_is_valid(rsec_view_of(four, 3)) || a < 0xf0);
        }
    }
}

TEST(utf8_text) {
    static const char text[] = "Gr\xc3\xbc\xc3\x9f"
                               "e \xe2\x82\xac \xf0\x9f\x94\x91";
    CHECK(rsec_utf8_is_valid(rsec_view_of(text, sizeof text - 1)));
    CHECK(rsec_utf8_is_valid(rsec_view_of(NULL, 0)));
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        bool is_between = (text[cut] & 0xc0) != 0x80;
        CHECK_INT(rsec_utf8_is_valid(rsec_view_of(text, cut)), is_between);
    }
}
