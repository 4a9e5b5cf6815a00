/* Attributes inside attributes: extended types, EVS, vendor attributes (wire/container.h). */
#include "check.h"
#include "wire/container.h"

#include <string.h>

static rsec_view begin(rsec_writer *writer, uint8_t out[RSEC_PACKET_MAX]) {
    CHECK_INT(rsec_writer_begin(writer, out, RSEC_PACKET_MAX, 1, 1, NULL), RSEC_OK);
    return rsec_view_of(NULL, 0);
}

static rsec_view written(const rsec_writer *writer) {
    return rsec_view_of(writer->ptr + RSEC_HEADER_LEN, writer->len - RSEC_HEADER_LEN);
}

/* The first attribute of `attrs` as an extended one, and the walk behind it. */
static rsec_extended first_of(rsec_view attrs, bool is_long, rsec_attr_walk *walk) {
    rsec_attr attr;
    rsec_extended part;
    *walk = rsec_attr_walk_of(attrs);
    CHECK_INT(rsec_attr_next(walk, &attr), RSEC_OK);
    CHECK_INT(rsec_extended_read(attr.value, is_long, &part), RSEC_OK);
    return part;
}

TEST(rfc_6929_2_1_extended_attribute) {
    uint8_t out[RSEC_PACKET_MAX], value[253] = {7};
    rsec_writer writer;
    rsec_view none = begin(&writer, out);
    CHECK_INT(rsec_writer_extended(&writer, 241, false, 4, none, rsec_view_of("ab", 2)), RSEC_OK);
    CHECK_OCTETS(written(&writer).ptr, written(&writer).len,
                 "\xf1\x05\x04"
                 "ab",
                 5);
    CHECK_INT(rsec_writer_extended(&writer, 241, false, 4, none, none), RSEC_OK);
    CHECK_INT(rsec_writer_extended(&writer, 241, false, 4, none, rsec_view_of(value, 252)), RSEC_OK);
    CHECK_INT(rsec_extended_check(written(&writer), 241, false, NULL), RSEC_OK);
    CHECK_INT(writer.len, 20 + 5 + 3 + 255);
    CHECK_INT(rsec_writer_extended(&writer, 241, false, 4, none, rsec_view_of(value, 253)), RSEC_ATTR_VALUE);
    CHECK_INT(writer.len, 20 + 5 + 3 + 255);
    rsec_attr_walk walk;
    rsec_extended part = first_of(written(&writer), false, &walk);
    CHECK_INT(part.type, 4);
    CHECK(!part.more);
    CHECK_OCTETS(part.value.ptr, part.value.len, "ab", 2);
}

TEST(rfc_6929_2_2_long_values_are_cut_into_251_octets_and_joined) {
    uint8_t out[RSEC_PACKET_MAX], value[1004], joined[RSEC_PACKET_MAX];
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 7 + i / 251);
    }
    static const size_t lens[] = {0, 1, 250, 251, 252, 502, 503, 1004};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        rsec_writer writer;
        rsec_view none = begin(&writer, out);
        CHECK_INT(rsec_writer_extended(&writer, 245, true, 9, none, rsec_view_of(value, lens[i])), RSEC_OK);
        size_t num = lens[i] == 0 ? 1 : (lens[i] + 250) / 251;
        CHECK_INT(writer.len, 20 + lens[i] + 4 * num);
        CHECK_INT(rsec_extended_check(written(&writer), 245, true, NULL), RSEC_OK);
        rsec_attr_walk walk;
        rsec_extended part = first_of(written(&writer), true, &walk);
        CHECK_INT(part.more, num > 1);
        size_t len = sizeof joined;
        CHECK_INT(rsec_extended_join(walk, 245, &part, joined, &len), RSEC_OK);
        CHECK_OCTETS(joined, len, value, lens[i]);
        len = lens[i] > 0 ? lens[i] - 1 : 0;
        CHECK_INT(rsec_extended_join(walk, 245, &part, joined, &len), lens[i] > 0 ? RSEC_TOO_LONG : RSEC_OK);
    }
}

TEST(extended_check_finds_what_is_malformed) {
    static const struct {
        const char *octets;
        size_t len;
        rsec_status status;
        size_t num;
    } cases[] = {
        {"\xf5\x02", 2, RSEC_TOO_SHORT, 0},
        {"\xf5\x03\x01", 3, RSEC_TOO_SHORT, 0},
        {"\xf5\x04\x01\x00\xf5\x03\x01", 7, RSEC_TOO_SHORT, 1},
        {"\xf5\x04\x01\x80", 4, RSEC_FRAGMENT, 0},                            /* no end */
        {"\xf5\x04\x01\x00\xf5\x04\x01\x80", 8, RSEC_FRAGMENT, 1},            /* no end */
        {"\xf5\x04\x01\x80\xf5\x04\x02\x00", 8, RSEC_FRAGMENT, 1},            /* interrupted */
        {"\xf5\x04\x01\x80\x01\x03x\xf5\x04\x01\x00", 11, RSEC_OK, 0},        /* another type between */
        {"\xf5\x04\x01\x80\xf6\x04\x02\x80\xf5\x04\x01\x00", 12, RSEC_OK, 0}, /* another long type, not asked for */
        {"\xf5\x04\x01\x7f", 4, RSEC_OK, 0},                                  /* reserved flags are ignored */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t num = 99;
        CHECK_INT(rsec_extended_check(rsec_view_of(cases[i].octets, cases[i].len), 245, true, &num), cases[i].status);
        CHECK_INT(num, cases[i].num);
    }
    uint8_t out[8];
    size_t len = sizeof out;
    rsec_attr_walk walk;
    rsec_view open = rsec_view_of("\xf5\x04\x01\x80", 4);
    rsec_extended part = first_of(open, true, &walk);
    CHECK_INT(rsec_extended_join(walk, 245, &part, out, &len), RSEC_FRAGMENT);
}

TEST(rfc_6929_2_4_evs) {
    uint8_t out[RSEC_PACKET_MAX], head[RSEC_EVS_HEADER_LEN], value[400] = {3}, joined[RSEC_PACKET_MAX];
    rsec_writer writer;
    rsec_evs evs;
    rsec_evs_put(head, 0x01020304, 9);
    CHECK(!rsec_evs_read(rsec_view_of(head, 4), &evs));
    CHECK(rsec_evs_read(rsec_view_of(head, 5), &evs));
    CHECK_INT(evs.vendor, 0x01020304);
    CHECK_INT(evs.type, 9);
    CHECK_INT(evs.value.len, 0);
    (void)begin(&writer, out);
    CHECK_INT(rsec_writer_extended(&writer, 241, false, 26, rsec_view_of(head, 5), rsec_view_of(value, 247)), RSEC_OK);
    CHECK_INT(rsec_writer_extended(&writer, 241, false, 26, rsec_view_of(head, 5), rsec_view_of(value, 248)),
              RSEC_ATTR_VALUE);
    /* A long one has the vendor in its first fragment alone. */
    (void)begin(&writer, out);
    CHECK_INT(rsec_writer_extended(&writer, 245, true, 26, rsec_view_of(head, 5), rsec_view_of(value, 400)), RSEC_OK);
    rsec_view attrs = written(&writer);
    CHECK_OCTETS(attrs.ptr, 10, "\xf5\xff\x1a\x80\x01\x02\x03\x04\x09\x03", 10);
    CHECK_OCTETS(attrs.ptr + 255, 4, "\xf5\x9e\x1a\x00", 4);
    rsec_attr_walk walk;
    rsec_extended part = first_of(attrs, true, &walk);
    size_t len = sizeof joined;
    CHECK_INT(rsec_extended_join(walk, 245, &part, joined, &len), RSEC_OK);
    CHECK_INT(len, 405);
    /* What looks like the vendor in another fragment is a part of the value. */
    static const uint8_t repeated[] = {245, 10, 26, 0x80, 0, 0, 0, 7, 1, 'a', 245, 10, 26, 0, 0, 0, 0, 7, 1, 'b'};
    part = first_of(rsec_view_of(repeated, sizeof repeated), true, &walk);
    len = sizeof joined;
    CHECK_INT(rsec_extended_join(walk, 245, &part, joined, &len), RSEC_OK);
    CHECK_OCTETS(joined, len, "\0\0\0\7\1a\0\0\0\7\1b", 12);
}

/* --- vendor attributes --- */

TEST(rfc_2865_5_26_vendor_formats) {
    static const struct {
        rsec_vendor_format format;
        uint32_t type;
        const char *data;
        size_t len;
    } cases[] = {
        {{1, 1, false}, 7, "\7\4xy", 4},
        {{2, 1, false}, 0x0107, "\1\7\5xy", 5},
        {{4, 0, false}, 0x01000007, "\1\0\0\7xy", 6},
        {{2, 2, false}, 0x0107, "\1\7\0\6xy", 6},
        {{1, 0, false}, 7, "\7xy", 3},
        {{1, 1, true}, 7, "\7\5\0xy", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[RSEC_PACKET_MAX];
        rsec_writer writer;
        (void)begin(&writer, out);
        CHECK(rsec_vendor_format_is_valid(cases[i].format));
        CHECK_INT(rsec_writer_vendor(&writer, 100, cases[i].format, cases[i].type, rsec_view_of("xy", 2)), RSEC_OK);
        rsec_view data = rsec_view_part(written(&writer), 6, written(&writer).len - 6);
        CHECK_OCTETS(data.ptr, data.len, cases[i].data, cases[i].len);
        CHECK(rsec_vendor_divides(data, cases[i].format));
        rsec_vendor_walk walk = {data, 0, cases[i].format};
        rsec_vendor_part part;
        CHECK_INT(rsec_vendor_next(&walk, &part), RSEC_OK);
        CHECK_INT(part.type, cases[i].type);
        CHECK_OCTETS(part.value.ptr, part.value.len, "xy", 2);
        CHECK_INT(rsec_vendor_next(&walk, &part), RSEC_ABSENT);
        size_t most = 249 - rsec_vendor_head(cases[i].format);
        uint8_t value[250] = {0};
        CHECK_INT(rsec_writer_vendor(&writer, 100, cases[i].format, 7, rsec_view_of(value, most)), RSEC_OK);
        CHECK_INT(rsec_writer_vendor(&writer, 100, cases[i].format, 7, rsec_view_of(value, most + 1)),
                  cases[i].format.has_more ? RSEC_OK : RSEC_ATTR_VALUE);
    }
    CHECK(!rsec_vendor_format_is_valid((rsec_vendor_format){3, 1, false}));
    CHECK(!rsec_vendor_format_is_valid((rsec_vendor_format){1, 3, false}));
    CHECK(!rsec_vendor_format_is_valid((rsec_vendor_format){0, 1, false}));
    uint8_t out[RSEC_PACKET_MAX];
    rsec_writer writer;
    (void)begin(&writer, out);
    CHECK_INT(rsec_writer_vendor(&writer, 100, (rsec_vendor_format){1, 1, false}, 256, rsec_view_of("x", 1)),
              RSEC_ATTR_VALUE);
}

TEST(vendor_data_that_does_not_divide) {
    static const struct {
        const char *data;
        size_t len;
        rsec_status status;
    } cases[] = {
        {"\1", 1, RSEC_ATTR_OVERRUN},      {"\1\0", 2, RSEC_ATTR_LENGTH},     {"\1\1", 2, RSEC_ATTR_LENGTH},
        {"\1\4x", 3, RSEC_ATTR_OVERRUN},   {"\1\3x\2", 4, RSEC_ATTR_OVERRUN}, {"\1\3x\2\1", 5, RSEC_ATTR_LENGTH},
        {"\1\377x", 3, RSEC_ATTR_OVERRUN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rsec_view data = rsec_view_of(cases[i].data, cases[i].len);
        rsec_vendor_walk walk = {data, 0, {1, 1, false}};
        rsec_vendor_part part;
        rsec_status status;
        do {
            status = rsec_vendor_next(&walk, &part);
        } while (status == RSEC_OK);
        CHECK_INT(status, cases[i].status);
        CHECK(!rsec_vendor_divides(data, walk.format));
    }
    CHECK(!rsec_vendor_divides(rsec_view_of(NULL, 0), (rsec_vendor_format){1, 1, false}));
    CHECK(!rsec_vendor_divides(rsec_view_of("\1\2", 2), (rsec_vendor_format){1, 1, true})); /* no continuation octet */
}

TEST(vendor_values_go_on_over_attributes_with_a_continuation_octet) {
    static const rsec_vendor_format format = {1, 1, true};
    uint8_t out[RSEC_PACKET_MAX], value[600] = {5};
    rsec_writer writer;
    (void)begin(&writer, out);
    CHECK_INT(rsec_writer_vendor(&writer, 24757, format, 7, rsec_view_of(value, sizeof value)), RSEC_OK);
    rsec_view attrs = written(&writer);
    CHECK_INT(attrs.len, 600 + 3 * 9);
    CHECK_OCTETS(attrs.ptr, 9, "\x1a\xff\x00\x00\x60\xb5\x07\xf9\x80", 9);
    CHECK_OCTETS(attrs.ptr + 2 * 255, 9, "\x1a\x75\x00\x00\x60\xb5\x07\x6f\x00", 9);
    CHECK(rsec_vendor_check(attrs, 24757, format));
    CHECK(rsec_vendor_check(attrs, 9, format));                              /* there is nothing of theirs */
    CHECK(!rsec_vendor_check(rsec_view_part(attrs, 0, 510), 24757, format)); /* no end */
    static const uint8_t broken[] = {26, 9, 0, 0, 0x60, 0xb5, 7, 3, 0x80, 26, 9, 0, 0, 0x60, 0xb5, 8, 3, 0};
    CHECK(!rsec_vendor_check(rsec_view_of(broken, sizeof broken), 24757, format)); /* interrupted */
}

TEST(writers_of_containers_stop_at_a_full_packet) {
    uint8_t out[RSEC_PACKET_MAX], value[4096] = {0};
    rsec_writer writer;
    rsec_view none = begin(&writer, out);
    CHECK_INT(rsec_writer_extended(&writer, 245, true, 1, none, rsec_view_of(value, sizeof value)), RSEC_TOO_LONG);
    CHECK(writer.len <= RSEC_PACKET_MAX);
    (void)begin(&writer, out);
    CHECK_INT(rsec_writer_vendor(&writer, 1, (rsec_vendor_format){1, 1, true}, 1, rsec_view_of(value, sizeof value)),
              RSEC_TOO_LONG);
    CHECK(writer.len <= RSEC_PACKET_MAX);
}
