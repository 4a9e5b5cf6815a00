/* Framing, the walk over attributes and the one-pass scan (wire/packet.h). */
#include "check.h"
#include "wire/packet.h"

#include <string.h>

/* A packet with `len` octets: attributes of type 18 fill it. `len` is 20 or at least 22. */
static rsec_view make_packet(uint8_t *out, uint8_t code, uint8_t id, size_t len) {
    memset(out, 0, len);
    out[0] = code;
    out[1] = id;
    rsec_put_u16(out + 2, (uint16_t)len);
    for (size_t off = RSEC_HEADER_LEN; off < len;) {
        size_t left = len - off, attr = left <= 255 ? left : left - 255 < 2 ? 253 : 255;
        out[off] = 18;
        out[off + 1] = (uint8_t)attr;
        off += attr;
    }
    return rsec_view_of(out, len);
}

/* A stream of packets whose lengths are in `lens`; returns its length. */
static size_t make_stream(uint8_t *out, const size_t *lens, size_t num) {
    size_t at = 0;
    for (size_t i = 0; i < num; i++) {
        (void)make_packet(out + at, RSEC_ACCESS_REQUEST, (uint8_t)i, lens[i]);
        at += lens[i];
    }
    return at;
}

TEST(pkt_1_packet_cut_at_every_offset_waits_for_the_rest) {
    uint8_t octets[300];
    for (size_t len = 20; len <= sizeof octets; len += len == 20 ? 2 : 1) {
        rsec_view pkt = make_packet(octets, RSEC_ACCESS_REQUEST, 7, len);
        for (size_t cut = 0; cut < len; cut++) {
            size_t found = 99;
            CHECK_INT(rsec_packet_frame(rsec_view_part(pkt, 0, cut), &found), RSEC_MORE);
            CHECK_INT(found, cut < 4 ? 0 : len);
        }
        size_t found = 0;
        CHECK_INT(rsec_packet_frame(pkt, &found), RSEC_OK);
        CHECK_INT(found, len);
    }
}

TEST(pkt_1_stream_in_two_pieces_at_every_offset_gives_the_same_packets) {
    static const size_t lens[] = {20, 4096, 22, 57, 20, 300};
    enum { NUM = sizeof lens / sizeof *lens };
    uint8_t octets[4600];
    size_t len = make_stream(octets, lens, NUM);
    for (size_t cut = 0; cut <= len; cut++) {
        size_t off = 0, seen = 0;
        for (size_t end = cut;; end = len) {
            size_t found;
            while (rsec_packet_frame(rsec_view_of(octets + off, end - off), &found) == RSEC_OK) {
                CHECK(seen < NUM);
                CHECK_INT(found, lens[seen]);
                CHECK_INT(octets[off + 1], seen);
                off += found;
                seen++;
            }
            if (end == len) {
                break;
            }
        }
        CHECK_INT(seen, NUM);
        CHECK_INT(off, len);
    }
}

TEST(pkt_1_stream_one_octet_at_a_time) {
    static const size_t lens[] = {20, 21 + 1, 4096, 20};
    enum { NUM = sizeof lens / sizeof *lens };
    uint8_t octets[4200];
    size_t len = make_stream(octets, lens, NUM), off = 0, seen = 0;
    for (size_t end = 1; end <= len; end++) {
        size_t found;
        if (rsec_packet_frame(rsec_view_of(octets + off, end - off), &found) == RSEC_OK) {
            CHECK_INT(found, end - off); /* at its last octet and not one later */
            CHECK_INT(found, lens[seen]);
            off = end;
            seen++;
        }
    }
    CHECK_INT(seen, NUM);
}

TEST(pkt_2_length_below_20_closes) {
    for (unsigned length = 0; length < 20; length++) {
        uint8_t octets[20] = {1, 2, 0, (uint8_t)length};
        size_t len = 99;
        CHECK_INT(rsec_packet_frame(rsec_view_of(octets, 4), &len), RSEC_TOO_SHORT);
        CHECK_INT(len, length);
        CHECK_INT(rsec_packet_frame(rsec_view_of(octets, 20), &len), RSEC_TOO_SHORT);
    }
}

TEST(pkt_2_length_above_4096_closes) {
    static const unsigned lengths[] = {4097, 4098, 8192, 32768, 65535};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t octets[4] = {1, 2, (uint8_t)(lengths[i] >> 8), (uint8_t)lengths[i]};
        size_t len = 0;
        CHECK_INT(rsec_packet_frame(rsec_view_of(octets, 4), &len), RSEC_TOO_LONG);
        CHECK_INT(len, lengths[i]);
    }
}

TEST(pkt_2_lengths_20_and_4096_are_packets) {
    uint8_t octets[RSEC_PACKET_MAX];
    size_t err_off = 99;
    CHECK_INT(rsec_packet_check(make_packet(octets, 1, 1, 20), &err_off), RSEC_OK);
    CHECK_INT(err_off, 0);
    CHECK_INT(rsec_packet_check(make_packet(octets, 1, 1, RSEC_PACKET_MAX), &err_off), RSEC_OK);
    CHECK_INT(err_off, 0);
}

TEST(pkt_2_check_says_what_is_wrong_with_the_length) {
    uint8_t octets[RSEC_PACKET_MAX + 1];
    size_t err_off = 0;
    rsec_view pkt = make_packet(octets, 1, 1, 40);
    for (size_t len = 0; len < 20; len++) {
        CHECK_INT(rsec_packet_check(rsec_view_part(pkt, 0, len), &err_off), RSEC_TOO_SHORT);
        CHECK_INT(err_off, 2);
    }
    CHECK_INT(rsec_packet_check(rsec_view_part(pkt, 0, 39), &err_off), RSEC_LENGTH_MISMATCH);
    CHECK_INT(err_off, 2);
    CHECK_INT(rsec_packet_check(rsec_view_of(octets, 41), NULL), RSEC_LENGTH_MISMATCH);
    rsec_put_u16(octets + 2, 19);
    CHECK_INT(rsec_packet_check(pkt, &err_off), RSEC_TOO_SHORT);
    rsec_put_u16(octets + 2, 4097);
    CHECK_INT(rsec_packet_check(pkt, &err_off), RSEC_TOO_LONG);
    (void)make_packet(octets, 1, 1, RSEC_PACKET_MAX + 1);
    CHECK_INT(rsec_packet_check(rsec_view_of(octets, sizeof octets), &err_off), RSEC_TOO_LONG);
    CHECK_INT(err_off, 2);
}

TEST(pkt_3_attribute_length_0_or_1_closes) {
    for (unsigned bad = 0; bad < 2; bad++) {
        uint8_t octets[26] = {1, 9, 0, 26};
        octets[20] = 1, octets[21] = 3, octets[22] = 'x';
        octets[23] = 2, octets[24] = (uint8_t)bad, octets[25] = 0;
        size_t err_off = 0;
        CHECK_INT(rsec_packet_check(rsec_view_of(octets, sizeof octets), &err_off), RSEC_ATTR_LENGTH);
        CHECK_INT(err_off, 23);
    }
}

TEST(pkt_3_attribute_past_the_end_closes) {
    uint8_t octets[26] = {1, 9, 0, 26};
    octets[20] = 1, octets[21] = 6;
    size_t err_off = 0;
    CHECK_INT(rsec_packet_check(rsec_view_of(octets, sizeof octets), &err_off), RSEC_OK);
    for (unsigned length = 7; length <= 255; length++) {
        octets[21] = (uint8_t)length;
        CHECK_INT(rsec_packet_check(rsec_view_of(octets, sizeof octets), &err_off), RSEC_ATTR_OVERRUN);
        CHECK_INT(err_off, 20);
    }
}

TEST(pkt_3_lone_octet_behind_the_attributes_closes) {
    uint8_t octets[24] = {1, 9, 0, 24};
    octets[20] = 1, octets[21] = 3, octets[22] = 'x', octets[23] = 4;
    size_t err_off = 0;
    CHECK_INT(rsec_packet_check(rsec_view_of(octets, sizeof octets), &err_off), RSEC_ATTR_OVERRUN);
    CHECK_INT(err_off, 23);
}

TEST(pkt_3_walk_stays_at_the_attribute_that_is_wrong) {
    const uint8_t octets[] = {1, 3, 'x', 2, 1, 0};
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_view_of(octets, sizeof octets));
    rsec_attr attr;
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_OK);
    CHECK_INT(attr.type, 1);
    CHECK_INT(attr.off, 0);
    CHECK_OCTETS(attr.value.ptr, attr.value.len, "x", 1);
    for (int again = 0; again < 2; again++) {
        CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_ATTR_LENGTH);
        CHECK_INT(attr.off, 3);
        CHECK_INT(attr.type, 2);
    }
}

TEST(pkt_3_walk_ends_exactly_at_the_end) {
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_view_of(NULL, 0));
    rsec_attr attr;
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_ABSENT);
    const uint8_t octets[] = {5, 2, 5, 2};
    walk = rsec_attr_walk_of(rsec_view_of(octets, sizeof octets));
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_OK);
    CHECK_INT(attr.value.len, 0);
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_OK);
    CHECK_INT(attr.off, 2);
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_ABSENT);
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_ABSENT);
}

TEST(walk_passes_the_attributes_of_other_types) {
    const uint8_t octets[] = {1, 3, 'x', 5, 2, 1, 4, 'y', 'z', 7, 2};
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_view_of(octets, sizeof octets));
    rsec_attr attr;
    CHECK_INT(rsec_attr_next_of(&walk, 1, &attr), RSEC_OK);
    CHECK_OCTETS(attr.value.ptr, attr.value.len, "x", 1);
    CHECK_INT(rsec_attr_next_of(&walk, 1, &attr), RSEC_OK);
    CHECK_INT(attr.off, 5);
    CHECK_OCTETS(attr.value.ptr, attr.value.len, "yz", 2);
    CHECK_INT(rsec_attr_next_of(&walk, 1, &attr), RSEC_ABSENT);
    walk = rsec_attr_walk_of(rsec_view_of(NULL, 0));
    CHECK_INT(rsec_attr_next_of(&walk, 1, &attr), RSEC_ABSENT);
}

TEST(pkt_3_walk_to_a_type_stops_at_what_is_wrong) {
    static const struct {
        uint8_t octets[5];
        size_t len;
        rsec_status status;
    } cases[] = {
        {{5, 2, 6, 1, 0}, 5, RSEC_ATTR_LENGTH},
        {{5, 2, 6, 4, 0}, 5, RSEC_ATTR_OVERRUN},
        {{5, 2, 6}, 3, RSEC_ATTR_OVERRUN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rsec_attr_walk walk = rsec_attr_walk_of(rsec_view_of(cases[i].octets, cases[i].len));
        rsec_attr attr;
        for (int again = 0; again < 2; again++) {
            CHECK_INT(rsec_attr_next_of(&walk, 1, &attr), cases[i].status);
            CHECK_INT(attr.off, 2);
        }
    }
}

TEST(scan_tells_the_types_that_are_repeated) {
    uint8_t octets[20 + 6 * 2] = {1, 1};
    static const uint8_t types[] = {0, 255, 64, 255, 63, 0};
    for (size_t i = 0; i < sizeof types; i++) {
        octets[20 + 2 * i] = types[i];
        octets[21 + 2 * i] = 2;
    }
    rsec_put_u16(octets + 2, sizeof octets);
    rsec_packet_facts facts;
    size_t off;
    CHECK_INT(rsec_packet_scan(rsec_view_of(octets, sizeof octets), &facts, &off), RSEC_OK);
    for (unsigned type = 0; type < 256; type++) {
        CHECK_INT(rsec_type_set_has(&facts.repeated, (uint8_t)type), type == 0 || type == 255);
    }
}

TEST(pkt_6_every_attribute_type_is_carried) {
    uint8_t octets[20 + 256 * 3] = {1, 1};
    rsec_put_u16(octets + 2, sizeof octets);
    for (size_t type = 0; type < 256; type++) {
        octets[20 + 3 * type] = (uint8_t)type;
        octets[21 + 3 * type] = 3;
        octets[22 + 3 * type] = (uint8_t)(255 - type);
    }
    rsec_view pkt = rsec_view_of(octets, sizeof octets);
    CHECK_INT(rsec_packet_check(pkt, NULL), RSEC_OK);
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(pkt));
    rsec_attr attr;
    for (unsigned type = 0; type < 256; type++) {
        CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_OK);
        CHECK_INT(attr.type, type);
        CHECK_INT(attr.value.ptr[0], 255 - type);
    }
    CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_ABSENT);
}

TEST(pkt_7_response_codes) {
    static const uint8_t responses[] = {2, 3, 5, 11, 41, 42, 44, 45, 52};
    for (unsigned code = 0; code < 256; code++) {
        bool expected = memchr(responses, (int)code, sizeof responses) != NULL;
        CHECK_INT(rsec_code_is_response((uint8_t)code), expected);
    }
}

TEST(codes_whose_request_authenticator_is_a_digest) {
    for (unsigned code = 0; code < 256; code++) {
        CHECK_INT(rsec_code_signs_request((uint8_t)code), code == 4 || code == 40 || code == 43);
    }
}

TEST(code_names) {
    CHECK_TEXT(rsec_code_name(1), "Access-Request");
    CHECK_TEXT(rsec_code_name(12), "Status-Server");
    CHECK_TEXT(rsec_code_name(43), "CoA-Request");
    CHECK_TEXT(rsec_code_name(52), "Protocol-Error");
    CHECK(rsec_code_name(0) == NULL);
    CHECK(rsec_code_name(255) == NULL);
    for (unsigned code = 0; code < 256; code++) {
        CHECK(!rsec_code_is_response((uint8_t)code) || rsec_code_name((uint8_t)code) != NULL);
    }
}

TEST(status_texts_are_there_and_differ) {
    for (int a = 0; a < RSEC_STATUS_COUNT; a++) {
        const char *text = rsec_status_text((rsec_status)a);
        CHECK(text != NULL && text[0] != '\0' && text[strlen(text) - 1] != '.');
        for (int b = 0; b < a; b++) {
            CHECK(strcmp(text, rsec_status_text((rsec_status)b)) != 0);
        }
    }
    CHECK_TEXT(rsec_status_text(RSEC_STATUS_COUNT), "unknown status");
    CHECK_TEXT(rsec_status_text((rsec_status)10000), "unknown status");
}

TEST(scan_finds_what_verification_needs) {
    uint8_t octets[128] = {1, 5};
    size_t n = 20;
    static const uint8_t attrs[] = {
        4,  6,  127, 0,   0, 1,                                            /* 20 NAS-IP-Address */
        33, 4,  'p', '1',                                                  /* 26 Proxy-State */
        80, 18, 1,   2,   3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, /* 30 Message-Authenticator */
        1,  3,  'u',                                                       /* 48 User-Name */
        79, 3,  'e',                                                       /* 51 EAP-Message */
        33, 4,  'p', '2',                                                  /* 54 Proxy-State */
        1,  3,  'v',                                                       /* 58 User-Name */
    };
    memcpy(octets + n, attrs, sizeof attrs);
    n += sizeof attrs;
    rsec_put_u16(octets + 2, (uint16_t)n);
    rsec_packet_facts facts;
    CHECK_INT(rsec_packet_scan(rsec_view_of(octets, n), &facts, NULL), RSEC_OK);
    CHECK_INT(facts.message_auth_num, 1);
    CHECK_INT(facts.message_auth_off, 32);
    CHECK(facts.message_auth_is_sized);
    CHECK(facts.has_eap_message);
    CHECK_INT(facts.proxy_state_off, 26);
    CHECK_INT(facts.user_name_off, 48);
}

TEST(scan_counts_message_authenticators_of_any_length) {
    uint8_t octets[20 + 4 + 18] = {1, 5, 0, 42};
    octets[20] = 80, octets[21] = 4;
    octets[24] = 80, octets[25] = 18;
    rsec_packet_facts facts;
    CHECK_INT(rsec_packet_scan(rsec_view_of(octets, sizeof octets), &facts, NULL), RSEC_OK);
    CHECK_INT(facts.message_auth_num, 2);
    CHECK_INT(facts.message_auth_off, 22);
    CHECK(!facts.message_auth_is_sized);
}

TEST(scan_leaves_no_facts_of_a_packet_it_refuses) {
    uint8_t octets[26] = {1, 5, 0, 26};
    octets[20] = 1, octets[21] = 4, octets[24] = 80, octets[25] = 1;
    rsec_packet_facts facts;
    static const rsec_packet_facts none;
    memset(&facts, 0xff, sizeof facts);
    CHECK_INT(rsec_packet_scan(rsec_view_of(octets, sizeof octets), &facts, NULL), RSEC_ATTR_LENGTH);
    CHECK_INT(facts.user_name_off, none.user_name_off);
    CHECK_INT(facts.message_auth_num, none.message_auth_num);
    CHECK(!facts.has_eap_message && !facts.message_auth_is_sized);
}

TEST(view_part_never_leaves_the_view) {
    const uint8_t octets[4] = {1, 2, 3, 4};
    rsec_view view = rsec_view_of(octets, 4);
    CHECK_OCTETS(rsec_view_part(view, 1, 2).ptr, 2, octets + 1, 2);
    CHECK_INT(rsec_view_part(view, 4, 0).len, 0);
    CHECK(rsec_view_part(view, 3, 2).ptr == NULL);
    CHECK(rsec_view_part(view, 5, 0).ptr == NULL);
    CHECK(rsec_view_part(view, 2, SIZE_MAX).ptr == NULL);
    CHECK(rsec_view_part(view, SIZE_MAX, 2).ptr == NULL);
}

TEST(numbers_are_big_endian) {
    uint8_t octets[8];
    rsec_put_u64(octets, UINT64_C(0x0102030405060708));
    CHECK_OCTETS(octets, 8, ((const uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8}), 8);
    CHECK(rsec_get_u64(octets) == UINT64_C(0x0102030405060708));
    CHECK_INT(rsec_get_u32(octets + 2), 0x03040506);
    CHECK_INT(rsec_get_u16(octets + 6), 0x0708);
    rsec_put_u32(octets, UINT32_C(0xfffefdfc));
    CHECK_INT(rsec_get_u32(octets), INT64_C(0xfffefdfc));
}
