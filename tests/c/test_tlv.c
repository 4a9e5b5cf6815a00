/* TLVs inside TLVs (wire/tlv.h, RFC 6929 §2.3). */
#include "check.h"
#include "wire/packet.h"
#include "wire/tlv.h"

#include <string.h>

TEST(tlv_leaves_share_the_tlvs_around_them) {
    uint8_t out[64];
    rsec_tlv_pack pack;
    rsec_tlv_begin(&pack, out, sizeof out);
    CHECK_INT(rsec_tlv_put(&pack, NULL, 0, 1, rsec_view_of("a", 1)), RSEC_OK);
    CHECK_INT(rsec_tlv_put(&pack, (const uint8_t[]){3}, 1, 1, rsec_view_of("b", 1)), RSEC_OK);
    CHECK_INT(rsec_tlv_put(&pack, (const uint8_t[]){3, 4}, 2, 9, rsec_view_of("c", 1)), RSEC_OK);
    CHECK_INT(rsec_tlv_put(&pack, (const uint8_t[]){3}, 1, 2, rsec_view_of(NULL, 0)), RSEC_OK);
    CHECK_INT(rsec_tlv_put_empty(&pack, (const uint8_t[]){5}, 1), RSEC_OK);
    static const uint8_t expected[] = {1, 3, 'a', 3, 12, 1, 3, 'b', 4, 5, 9, 3, 'c', 2, 2, 5, 2};
    CHECK_OCTETS(rsec_tlv_octets(&pack).ptr, rsec_tlv_octets(&pack).len, expected, sizeof expected);
}

TEST(tlv_that_is_full_is_opened_anew) {
    uint8_t out[600], value[120] = {0};
    static const uint8_t path[] = {3};
    rsec_tlv_pack pack;
    rsec_tlv_begin(&pack, out, sizeof out);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(rsec_tlv_put(&pack, path, 1, 1, rsec_view_of(value, sizeof value)), RSEC_OK);
    }
    CHECK_INT(pack.len, 2 * (2 + 2 * 122));
    CHECK_INT(out[1], 246);
    CHECK_INT(out[246], 3);
    CHECK_INT(out[247], 246);
}

TEST(tlv_says_whether_another_attribute_would_help) {
    uint8_t out[253], value[254] = {0}, deep[RSEC_TLV_DEPTH_MAX + 1] = {0};
    rsec_tlv_pack pack;
    rsec_tlv_begin(&pack, out, sizeof out);
    CHECK_INT(rsec_tlv_put(&pack, NULL, 0, 1, rsec_view_of(value, 200)), RSEC_OK);
    CHECK_INT(rsec_tlv_put(&pack, NULL, 0, 1, rsec_view_of(value, 100)), RSEC_MORE);
    CHECK_INT(rsec_tlv_put(&pack, NULL, 0, 1, rsec_view_of(value, 251)), RSEC_MORE);
    CHECK_INT(rsec_tlv_put(&pack, NULL, 0, 1, rsec_view_of(value, 252)), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_tlv_put(&pack, NULL, 0, 1, rsec_view_of(value, 254)), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_tlv_put(&pack, (const uint8_t[]){1}, 1, 1, rsec_view_of(value, 249)), RSEC_MORE);
    CHECK_INT(rsec_tlv_put(&pack, (const uint8_t[]){1}, 1, 1, rsec_view_of(value, 250)), RSEC_ATTR_VALUE);
    CHECK_INT(rsec_tlv_put(&pack, deep, sizeof deep, 1, rsec_view_of(value, 1)), RSEC_TOO_LONG);
    CHECK_INT(pack.len, 202); /* none of them left anything */
    CHECK_INT(rsec_tlv_put(&pack, deep, 25, 1, rsec_view_of(value, 1)), RSEC_MORE);
    CHECK_INT(rsec_tlv_put(&pack, deep, 23, 1, rsec_view_of(value, 1)), RSEC_OK);
}

TEST(tlv_what_was_written_walks) {
    uint8_t out[4096], value[40] = {0};
    rsec_tlv_pack pack;
    rsec_tlv_begin(&pack, out, sizeof out);
    size_t written = 0;
    for (unsigned i = 0; i < 90; i++) {
        uint8_t path[4] = {(uint8_t)(i / 30), (uint8_t)(i / 10), (uint8_t)(i / 3), (uint8_t)i};
        if (rsec_tlv_put(&pack, path, i % 5, (uint8_t)i, rsec_view_of(value, i % 41)) == RSEC_OK) {
            written++;
        }
    }
    CHECK_INT(written, 90);
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_tlv_octets(&pack));
    rsec_attr attr;
    rsec_status status;
    do {
        status = rsec_attr_next(&walk, &attr);
    } while (status == RSEC_OK);
    CHECK_INT(status, RSEC_ABSENT);
}
