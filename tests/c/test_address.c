/* Address types of wire/value.h: IPv4, IPv6 and prefixes. */
#include "check.h"
#include "wire/value.h"

#include <arpa/inet.h>
#include <string.h>

static rsec_status ipv4(const char *text, uint8_t octets[4]) {
    return rsec_ipv4_parse(text, strlen(text), octets);
}

static rsec_status ipv6(const char *text, uint8_t octets[16]) {
    return rsec_ipv6_parse(text, strlen(text), octets);
}

TEST(ipv4_takes_dotted_quads_and_nothing_else) {
    static const char *const good[] = {"0.0.0.0", "127.0.0.1", "192.0.2.255", "255.255.255.255", "1.2.3.4"};
    static const char *const bad[] = {"",
                                      "1",
                                      "1.2.3",
                                      "1.2.3.",
                                      "1.2.3.4.",
                                      "1.2.3.4.5",
                                      ".1.2.3.4",
                                      "256.1.1.1",
                                      "1.2.3.256",
                                      "01.2.3.4",
                                      "1.2.3.00",
                                      "1.2.3.-4",
                                      "1..2.3",
                                      " 1.2.3.4",
                                      "1.2.3.4 ",
                                      "0x1.2.3.4",
                                      "1.2.3.4/8",
                                      "a.b.c.d",
                                      "1.2.3.4\n",
                                      "4294967297.0.0.0",
                                      "1.2.3.99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t octets[4], expected[4];
        char text[RSEC_IPV4_TEXT];
        CHECK_INT(ipv4(good[i], octets), RSEC_OK);
        CHECK_INT(inet_pton(AF_INET, good[i], expected), 1);
        CHECK_OCTETS(octets, 4, expected, 4);
        CHECK_INT(rsec_ipv4_format(octets, text), strlen(good[i]));
        CHECK_TEXT(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[4];
        CHECK_INT(ipv4(bad[i], octets), RSEC_ATTR_VALUE);
    }
    uint8_t octets[4];
    CHECK_INT(rsec_ipv4_parse("1.2.3.4", 8, octets), RSEC_ATTR_VALUE); /* the NUL is one octet too many */
    CHECK_INT(rsec_ipv4_parse("1.2.3.45", 7, octets), RSEC_OK);        /* and what lies behind is not read */
    CHECK_INT(octets[3], 4);
}

/* Against inet_pton, which knows RFC 4291 text; the formatter is compared where the two agree by RFC 5952. */
TEST(ipv6_agrees_with_inet_pton) {
    static const char *const texts[] = {
        "::", "::1", "1::", "2001:db8::1", "2001:DB8:0:0:8:800:200C:417A", "fe80::1", "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8", "1:0:0:4::8", "0:0:0:0:0:0:0:0", "::ffff:192.0.2.1",
        "::192.0.2.1", "1:2:3:4:5:6:1.2.3.4", "64:ff9b::192.0.2.33", "abcd:EF01:2345:6789:abcd:ef01:2345:6789",
        "1::1.2.3.4", "0::0", "00a0::000b",
        /* and what is none */
        "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
        "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:::2", "::1.2.3", "::1.2.3.4.5", "::1.2.3.256",
        "1.2.3.4", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", " ::1", "::1 ", "::1/64", "2001:db8", "::00001",
        "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7:8", "::01.2.3.4"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t octets[16], expected[16];
        bool is_good = inet_pton(AF_INET6, texts[i], expected) == 1;
        check_int(ipv6(texts[i], octets), is_good ? RSEC_OK : RSEC_ATTR_VALUE, texts[i], __FILE__, __LINE__);
        if (is_good) {
            CHECK_OCTETS(octets, 16, expected, 16);
        }
    }
}

TEST(ipv6_text_is_rfc_5952) {
    static const struct {
        const char *in, *out;
    } texts[] = {
        {"2001:0DB8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"}, /* the first of two equal runs (§4.2.3) */
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},                 /* one group is not compressed (§4.2.2) */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},                          /* the longer run */
        {"0:0:0:0:0:0:0:0", "::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"1:0:0:0:0:0:0:0", "1::"},
        {"0:0:1:0:0:0:0:0", "0:0:1::"},
        {"::ffff:c000:201", "::ffff:192.0.2.1"}, /* IPv4-mapped in mixed notation */
        {"::ffff:0:c000:201", "::ffff:0:c000:201"},
        {"::192.0.2.1", "::c000:201"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"00a0:0b00::000C", "a0:b00::c"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t octets[16];
        char text[RSEC_IPV6_TEXT];
        CHECK_INT(ipv6(texts[i].in, octets), RSEC_OK);
        size_t len = rsec_ipv6_format(octets, text);
        CHECK_TEXT(text, texts[i].out);
        CHECK_INT(len, strlen(text));
    }
}

TEST(ipv6_scope_is_dropped) {
    uint8_t octets[16], expected[16];
    CHECK_INT(ipv6("fe80::1%eth0", octets), RSEC_OK);
    CHECK_INT(ipv6("fe80::1", expected), RSEC_OK);
    CHECK_OCTETS(octets, 16, expected, 16);
    CHECK_INT(ipv6("fe80::1%", octets), RSEC_ATTR_VALUE);
    CHECK_INT(ipv6("%eth0", octets), RSEC_ATTR_VALUE);
}

TEST(ipv6_every_pattern_of_zero_groups_round_trips) {
    for (unsigned pattern = 0; pattern < 256; pattern++) {
        uint8_t octets[16] = {0}, again[16];
        char text[RSEC_IPV6_TEXT], theirs[INET6_ADDRSTRLEN];
        for (size_t group = 0; group < 8; group++) {
            if (pattern >> group & 1) {
                rsec_put_u16(octets + 2 * group, (uint16_t)(0x1000U + group));
            }
        }
        (void)rsec_ipv6_format(octets, text);
        CHECK_INT(ipv6(text, again), RSEC_OK);
        CHECK_OCTETS(again, 16, octets, 16);
        CHECK(inet_ntop(AF_INET6, octets, theirs, sizeof theirs) != NULL);
        if (strchr(theirs, '.') == NULL) { /* inet_ntop writes "::1.2.3.4" for the low 32 bits */
            CHECK_TEXT(text, theirs);
        }
    }
}

TEST(ipv4_prefix_zeroes_host_bits) {
    static const struct {
        const char *in, *out;
    } texts[] = {{"192.0.2.0/24", "192.0.2.0/24"},
                 {"192.0.2.255/24", "192.0.2.0/24"},
                 {"10.255.255.255/9", "10.128.0.0/9"},
                 {"1.2.3.4/0", "0.0.0.0/0"},
                 {"1.2.3.4", "1.2.3.4/32"},
                 {"1.2.3.4/32", "1.2.3.4/32"},
                 {"255.255.255.255/31", "255.255.255.254/31"},
                 {"10.1.2.3/255.255.0.0", "10.1.0.0/16"}, /* a mask of the network's bits */
                 {"10.1.2.3/0.0.255.255", "10.1.0.0/16"}, /* a mask of the host's bits */
                 {"10.1.2.3/0.0.0.0", "0.0.0.0/0"},
                 {"10.1.2.3/255.255.255.255", "10.1.2.3/32"},
                 {"10.1.2.3/128.0.0.0", "0.0.0.0/1"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t octets[6];
        char text[RSEC_IPV4_PREFIX_TEXT];
        size_t len;
        CHECK_INT(rsec_ipv4_prefix_parse(texts[i].in, strlen(texts[i].in), octets), RSEC_OK);
        CHECK_INT(octets[0], 0);
        CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(octets, 6), text, &len), RSEC_OK);
        CHECK_TEXT(text, texts[i].out);
        CHECK_INT(len, strlen(text));
    }
    static const char *const bad[] = {
        "",   "/",       "1.2.3.4/",   "1.2.3.4/33",          "1.2.3.4/-1",        "1.2.3.4/08",        "1.2.3.4/8/8",
        "/8", "1.2.3/8", "1.2.3.4/8 ", "1.2.3.4/255.0.255.0", "1.2.3.4/255.255.0", "1.2.3.4/0.255.0.0", "/255.0.0.0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[6];
        CHECK_INT(rsec_ipv4_prefix_parse(bad[i], strlen(bad[i]), octets), RSEC_ATTR_VALUE);
    }
}

TEST(ipv4_prefix_reads_short_forms) {
    const uint8_t octets[7] = {0, 16, 172, 16, 1, 1, 1};
    char text[RSEC_IPV4_PREFIX_TEXT];
    size_t len;
    CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(octets, 4), text, &len), RSEC_OK);
    CHECK_TEXT(text, "172.16.0.0/16");
    CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(octets, 6), text, &len), RSEC_OK);
    CHECK_TEXT(text, "172.16.0.0/16");
    CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(octets, 2), text, &len), RSEC_OK);
    CHECK_TEXT(text, "0.0.0.0/16");
    CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(octets, 1), text, &len), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(octets, 7), text, &len), RSEC_ATTR_VALUE);
    CHECK_INT(len, 0);
    CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of("\0\41", 2), text, &len), RSEC_ATTR_VALUE);
}

TEST(ipv6_prefix_text) {
    static const struct {
        const char *in, *out;
    } texts[] = {{"2001:db8::/32", "2001:db8::/32"},
                 {"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
                 {"::/0", "::/0"},
                 {"2001:db8::1", "2001:db8::1/128"},
                 {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
                 {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t octets[18];
        char text[RSEC_IPV6_PREFIX_TEXT];
        size_t len;
        CHECK_INT(rsec_ipv6_prefix_parse(texts[i].in, strlen(texts[i].in), octets), RSEC_OK);
        CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(octets, 18), text, &len), RSEC_OK);
        CHECK_TEXT(text, texts[i].out);
        CHECK_INT(len, strlen(text));
    }
    static const char *const bad[] = {"", "::/129", "::/", "/64", "2001:db8::/x", "1.2.3.4/8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[18];
        CHECK_INT(rsec_ipv6_prefix_parse(bad[i], strlen(bad[i]), octets), RSEC_ATTR_VALUE);
    }
}

TEST(ipv6_prefix_reads_short_forms) {
    const uint8_t octets[19] = {0, 32, 0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff};
    char text[RSEC_IPV6_PREFIX_TEXT];
    size_t len;
    CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(octets, 6), text, &len), RSEC_OK);
    CHECK_TEXT(text, "2001:db8::/32");
    CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(octets, 8), text, &len), RSEC_OK);
    CHECK_TEXT(text, "2001:db8::/32");
    CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(NULL, 0), text, &len), RSEC_OK);
    CHECK_TEXT(text, "::/0");
    CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(octets, 1), text, &len), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(octets, 19), text, &len), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of("\0\201", 2), text, &len), RSEC_ATTR_VALUE);
}
