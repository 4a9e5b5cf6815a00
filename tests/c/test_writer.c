/* Building packets (wire/writer.h). */
#include "check.h"
#include "wire/packet.h"
#include "wire/writer.h"

#include <string.h>

static const uint8_t auth[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

TEST(writer_writes_a_whole_packet) {
    uint8_t out[64];
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, RSEC_ACCESS_ACCEPT, 7, auth), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 18, rsec_view_of("hi", 2)), RSEC_OK);
    CHECK_INT(rsec_writer_attr_u32(&writer, 27, 0x01020304), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 24, rsec_view_of(NULL, 0)), RSEC_OK);
    CHECK_INT(rsec_writer_vsa(&writer, 9, rsec_view_of("\1\3x", 3)), RSEC_OK);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    static const uint8_t attrs[] = {18, 4, 'h', 'i', 27, 6, 1, 2, 3, 4, 24, 2, 26, 9, 0, 0, 0, 9, 1, 3, 'x'};
    const uint8_t header[4] = {2, 7, 0, 20 + sizeof attrs};
    CHECK_OCTETS(out, 4, header, 4);
    CHECK_OCTETS(out + 4, 16, auth, 16);
    CHECK_OCTETS(out + 20, writer.len - 20, attrs, sizeof attrs);
    CHECK_INT(rsec_packet_check(rsec_view_of(out, writer.len), NULL), RSEC_OK);
}

TEST(writer_without_authenticator_writes_zeros) {
    uint8_t out[20];
    static const uint8_t zeros[16];
    memset(out, 0xee, sizeof out);
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 1, 1, NULL), RSEC_OK);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    CHECK_OCTETS(out + 4, 16, zeros, 16);
    CHECK_INT(writer.len, 20);
}

TEST(writer_needs_room_for_a_header) {
    uint8_t out[20] = {0};
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, 19, 1, 1, NULL), RSEC_TOO_LONG);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of("x", 1)), RSEC_TOO_LONG);
    CHECK_INT(rsec_writer_message_auth(&writer), RSEC_TOO_LONG);
    CHECK_INT(rsec_writer_message_auth_first(&writer), RSEC_TOO_LONG);
    CHECK_INT(rsec_writer_raw(&writer, rsec_view_of("x", 1)), RSEC_TOO_LONG);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_TOO_LONG);
    static const uint8_t untouched[20];
    CHECK_OCTETS(out, sizeof out, untouched, sizeof untouched);
}

TEST(writer_takes_values_of_253_octets_and_no_more) {
    uint8_t out[RSEC_PACKET_MAX], value[254] = {0};
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 1, 1, NULL), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(value, 253)), RSEC_OK);
    CHECK_INT(out[21], 255);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(value, 254)), RSEC_ATTR_VALUE);
    CHECK_INT(writer.len, 20 + 255);
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 1, 1, NULL), RSEC_OK);
    CHECK_INT(rsec_writer_vsa(&writer, 9, rsec_view_of(value, 249)), RSEC_OK);
    CHECK_INT(rsec_writer_vsa(&writer, 9, rsec_view_of(value, 250)), RSEC_ATTR_VALUE);
}

TEST(writer_remembers_its_first_failure) {
    uint8_t out[64], value[254] = {0};
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 1, 1, NULL), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of("ok", 2)), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(value, 254)), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(value, 200)), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of("x", 1)), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_writer_message_auth(&writer), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_ATTR_VALUE);
    CHECK_INT(writer.len, 24);
}

TEST(pkt_2_writer_stops_at_4096_octets) {
    static uint8_t out[2 * RSEC_PACKET_MAX];
    uint8_t value[253] = {0};
    memset(out, 0xee, sizeof out);
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 1, 1, NULL), RSEC_OK);
    for (int i = 0; i < 15; i++) {
        CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(value, 253)), RSEC_OK);
    }
    CHECK_INT(writer.len, 20 + 15 * 255);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(value, 249)), RSEC_OK); /* 4096 exactly */
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    CHECK_INT(rsec_packet_check(rsec_view_of(out, writer.len), NULL), RSEC_OK);
    CHECK_INT(writer.len, RSEC_PACKET_MAX);
    CHECK_INT(rsec_writer_attr(&writer, 1, rsec_view_of(NULL, 0)), RSEC_TOO_LONG);
    CHECK_INT(out[RSEC_PACKET_MAX], 0xee);
}

TEST(writer_raw_appends_whole_attributes) {
    uint8_t out[26];
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 1, 1, NULL), RSEC_OK);
    CHECK_INT(rsec_writer_raw(&writer, rsec_view_of(NULL, 0)), RSEC_OK);
    CHECK_INT(rsec_writer_raw(&writer, rsec_view_of("\1\6abcd", 6)), RSEC_OK);
    CHECK_OCTETS(out + 20, 6, "\1\6abcd", 6);
    CHECK_INT(rsec_writer_raw(&writer, rsec_view_of("\1\2", 2)), RSEC_TOO_LONG);
}

TEST(writer_message_authenticator_keeps_its_place_and_comes_once) {
    uint8_t out[64];
    memset(out, 0xee, sizeof out);
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 2, 1, auth), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 18, rsec_view_of("x", 1)), RSEC_OK);
    CHECK_INT(rsec_writer_message_auth(&writer), RSEC_OK);
    CHECK_INT(rsec_writer_message_auth(&writer), RSEC_OK);
    CHECK_INT(rsec_writer_message_auth_first(&writer), RSEC_OK);
    CHECK_INT(writer.message_auth_off, 25);
    CHECK_INT(writer.len, 23 + 18);
    static const uint8_t expected[18] = {80, 18};
    CHECK_OCTETS(out + 23, 18, expected, 18);
}

TEST(pkt_17_message_authenticator_goes_first) {
    uint8_t out[64];
    memset(out, 0xee, sizeof out);
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 2, 1, auth), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 18, rsec_view_of("abc", 3)), RSEC_OK);
    CHECK_INT(rsec_writer_message_auth_first(&writer), RSEC_OK);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    static const uint8_t expected[23] = {80, 18, [18] = 18, [19] = 5, [20] = 'a', [21] = 'b', [22] = 'c'};
    CHECK_OCTETS(out + 20, writer.len - 20, expected, sizeof expected);
    CHECK_INT(writer.message_auth_off, 22);
    CHECK_INT(rsec_packet_check(rsec_view_of(out, writer.len), NULL), RSEC_OK);
}

TEST(pkt_17_message_authenticator_first_needs_room) {
    uint8_t out[20 + 5 + 17];
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 2, 1, auth), RSEC_OK);
    CHECK_INT(rsec_writer_attr(&writer, 18, rsec_view_of("abc", 3)), RSEC_OK);
    CHECK_INT(rsec_writer_message_auth_first(&writer), RSEC_TOO_LONG);
    CHECK_OCTETS(out + 20, 5, "\22\5abc", 5);
}

TEST(pkt_11_every_proxy_state_is_copied_in_order) {
    uint8_t request[64], out[64];
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, request, sizeof request, 1, 1, auth), RSEC_OK);
    (void)rsec_writer_attr(&writer, 33, rsec_view_of("one", 3));
    (void)rsec_writer_attr(&writer, 1, rsec_view_of("u", 1));
    (void)rsec_writer_attr(&writer, 33, rsec_view_of(NULL, 0));
    (void)rsec_writer_attr(&writer, 33, rsec_view_of("two", 3));
    (void)rsec_writer_attr(&writer, 33, rsec_view_of("one", 3));
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    rsec_view pkt = rsec_view_of(request, writer.len);
    CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, 2, 1, auth), RSEC_OK);
    CHECK_INT(rsec_writer_proxy_state(&writer, pkt), RSEC_OK);
    static const uint8_t expected[] = {33, 5, 'o', 'n', 'e', 33, 2, 33, 5, 't', 'w', 'o', 33, 5, 'o', 'n', 'e'};
    CHECK_OCTETS(out + 20, writer.len - 20, expected, sizeof expected);
}
