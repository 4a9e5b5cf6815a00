/* Attributes inside attributes (wire/container.h, wire/tlv.h): what is read out of any octets, written again, reads as the same
 * values. The first octet chooses what the others are: extended types, long ones, a vendor's, or leaves for TLVs. */
#include "fuzz.h"
#include "wire/container.h"
#include "wire/tlv.h"

#include <string.h>

enum { CODE = 245, VALUES_MAX = 128 };

typedef struct {
    uint8_t type;
    size_t off, len; /* in octets */
} value;

typedef struct {
    uint8_t octets[RSEC_PACKET_MAX];
    size_t len, num;
    value values[VALUES_MAX];
} values;

/* All values of extended type CODE in `attrs`, which were found to be sound. False when they are too many. */
static bool read_extended(rsec_view attrs, bool is_long, values *found) {
    rsec_attr_walk walk = rsec_attr_walk_of(attrs);
    rsec_attr attr;
    bool is_inside = false;
    found->len = found->num = 0;
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        rsec_extended part;
        if (attr.type != CODE) {
            continue;
        }
        MUST(rsec_extended_read(attr.value, is_long, &part) == RSEC_OK);
        if (!is_inside) {
            size_t len = sizeof found->octets - found->len;
            if (found->num == VALUES_MAX) {
                return false;
            }
            MUST(rsec_extended_join(walk, CODE, &part, found->octets + found->len, &len) == RSEC_OK);
            found->values[found->num++] = (value){part.type, found->len, len};
            found->len += len;
        }
        is_inside = part.more;
    }
    MUST(!is_inside);
    return true;
}

static void check_same(const values *a, const values *b) {
    MUST(a->num == b->num && a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0);
    for (size_t i = 0; i < a->num; i++) {
        MUST(a->values[i].type == b->values[i].type && a->values[i].len == b->values[i].len);
    }
}

static void check_extended(rsec_view attrs, bool is_long) {
    static values found, again;
    uint8_t out[RSEC_PACKET_MAX];
    rsec_writer writer;
    size_t err_num = SIZE_MAX;
    rsec_status status = rsec_extended_check(attrs, CODE, is_long, &err_num);
    MUST(status == RSEC_OK || status == RSEC_TOO_SHORT || (is_long && status == RSEC_FRAGMENT));
    if (status != RSEC_OK || !read_extended(attrs, is_long, &found)) {
        return;
    }
    MUST(err_num == 0);
    MUST(rsec_writer_begin(&writer, out, sizeof out, 2, 1, NULL) == RSEC_OK);
    for (size_t i = 0; i < found.num; i++) {
        const value *at = &found.values[i];
        rsec_view octets = rsec_view_of(found.octets + at->off, at->len);
        rsec_view head = rsec_view_part(octets, 0, at->len < RSEC_EVS_HEADER_LEN ? at->len : RSEC_EVS_HEADER_LEN);
        (void)rsec_writer_extended(&writer, CODE, is_long, at->type, head,
                                   rsec_view_part(octets, head.len, octets.len - head.len));
    }
    status = rsec_writer_finish(&writer);
    MUST(status == RSEC_OK || status == RSEC_TOO_LONG);
    if (status == RSEC_OK) {
        rsec_view written = rsec_view_of(out + RSEC_HEADER_LEN, writer.len - RSEC_HEADER_LEN);
        MUST(rsec_extended_check(written, CODE, is_long, NULL) == RSEC_OK && read_extended(written, is_long, &again));
        check_same(&found, &again);
    }
}

/* Heads that later fragments repeat (wire/container.h) are left out, and nothing else. */
static void check_repeated_heads(rsec_view attrs) {
    rsec_attr_walk walk = rsec_attr_walk_of(attrs);
    rsec_attr attr;
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        uint8_t plain[RSEC_PACKET_MAX], cut[RSEC_PACKET_MAX];
        size_t plain_len = sizeof plain, cut_len = sizeof cut;
        rsec_extended part;
        if (attr.type != CODE || rsec_extended_read(attr.value, true, &part) != RSEC_OK) {
            continue;
        }
        rsec_status status = rsec_extended_join(walk, CODE, &part, plain, &plain_len);
        MUST(rsec_extended_join(walk, CODE, &part, cut, &cut_len) == status);
        MUST(status != RSEC_OK || (cut_len <= plain_len && (plain_len - cut_len) % RSEC_EVS_HEADER_LEN == 0));
    }
}

static void check_vendor(rsec_view data, rsec_vendor_format format) {
    uint8_t out[RSEC_PACKET_MAX];
    rsec_vendor_walk walk = {data, 0, format};
    rsec_vendor_part part;
    rsec_writer writer;
    rsec_status status;
    size_t end = 0;
    MUST(rsec_vendor_format_is_valid(format));
    while ((status = rsec_vendor_next(&walk, &part)) == RSEC_OK) {
        size_t head = rsec_vendor_head(format);
        MUST(part.off == end && part.value.ptr == data.ptr + end + head);
        end += head + part.value.len;
        MUST(end <= data.len && (format.has_more || !part.more));
        MUST(rsec_writer_begin(&writer, out, sizeof out, 2, 1, NULL) == RSEC_OK);
        status = rsec_writer_vendor(&writer, 9, format, part.type, part.value);
        MUST(status == RSEC_OK || (!format.has_more && status == RSEC_ATTR_VALUE && head + part.value.len > 249));
        if (status == RSEC_OK) {
            rsec_view attrs = rsec_view_of(out + RSEC_HEADER_LEN, writer.len - RSEC_HEADER_LEN);
            MUST(rsec_vendor_check(attrs, 9, format) ==
                 rsec_vendor_divides(rsec_view_part(attrs, 6, (size_t)attrs.ptr[1] - 6), format));
            rsec_attr_walk again = rsec_attr_walk_of(attrs);
            rsec_attr attr;
            size_t at = 0;
            bool more = true;
            while (rsec_attr_next(&again, &attr) == RSEC_OK) {
                rsec_vendor_walk inner = {rsec_view_part(attr.value, 4, attr.value.len - 4), 0, format};
                rsec_vendor_part same;
                MUST(more && rsec_get_u32(attr.value.ptr) == 9);
                MUST(rsec_vendor_next(&inner, &same) == RSEC_OK && inner.off == inner.octets.len);
                MUST(same.type == part.type && at + same.value.len <= part.value.len);
                MUST(same.value.len == 0 || memcmp(same.value.ptr, part.value.ptr + at, same.value.len) == 0);
                at += same.value.len;
                more = same.more;
            }
            MUST(at == part.value.len && !more);
        }
    }
    MUST((status == RSEC_ABSENT) == (end == data.len));
    MUST(rsec_vendor_divides(data, format) == (status == RSEC_ABSENT && data.len > 0));
}

/* Leaves come as depth, that many codes, the leaf's code, its length, its value. What was packed is walked beside them. */
static void check_tlvs(rsec_view rest, size_t cap) {
    uint8_t *out = malloc(cap > 0 ? cap : 1), path[64], leaves[RSEC_PACKET_MAX];
    rsec_tlv_pack pack;
    size_t leaves_len = 0, before;
    MUST(out != NULL);
    rsec_tlv_begin(&pack, out, cap);
    while (rest.len > 0) {
        unsigned depth = fuzz_octet(&rest) % 6;
        rsec_view codes = fuzz_take(&rest, depth);
        uint8_t code = fuzz_octet(&rest);
        rsec_view leaf = fuzz_take(&rest, fuzz_octet(&rest));
        depth = (unsigned)codes.len;
        if (depth > 0) {
            memcpy(path, codes.ptr, depth);
        }
        before = pack.len;
        rsec_status status = rsec_tlv_put(&pack, path, depth, code, leaf);
        MUST(status == RSEC_OK || status == RSEC_MORE || status == RSEC_ATTR_VALUE);
        MUST(pack.len <= cap && (status == RSEC_OK ? pack.len >= before + 2 + leaf.len : pack.len == before));
        if (status == RSEC_OK) {
            MUST(leaves_len + 2 + leaf.len <= sizeof leaves);
            leaves[leaves_len++] = code;
            leaves[leaves_len++] = (uint8_t)(leaf.len + 2);
            if (leaf.len > 0) {
                memcpy(leaves + leaves_len, leaf.ptr, leaf.len);
                leaves_len += leaf.len;
            }
            /* The leaf is the last thing there, and the TLVs around it end where it ends. */
            MUST(memcmp(out + pack.len - leaf.len - 2, leaves + leaves_len - leaf.len - 2, leaf.len + 2) == 0);
            size_t off = 0, end = pack.len;
            for (unsigned i = 0; i < depth; i++) {
                rsec_attr_walk walk = rsec_attr_walk_of(rsec_view_of(out + off, end - off));
                rsec_attr attr, last = {0};
                while ((status = rsec_attr_next(&walk, &attr)) == RSEC_OK) {
                    last = attr;
                }
                MUST(status == RSEC_ABSENT && last.type == path[i]);
                off += last.off + 2;
            }
        }
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rsec_view rest = rsec_view_of(data, size);
    uint8_t which = fuzz_octet(&rest);
    if (size > RSEC_PACKET_MAX) {
        return 0;
    }
    if (which % 4 < 2) {
        rsec_attr_walk walk = rsec_attr_walk_of(rest);
        rsec_attr attr;
        rsec_status status;
        do {
            status = rsec_attr_next(&walk, &attr);
        } while (status == RSEC_OK);
        rest = rsec_view_part(rest, 0, walk.off); /* the attributes that are whole */
        check_extended(rest, which % 4 == 1);
        check_repeated_heads(rest);
    } else if (which % 4 == 2) {
        static const uint8_t type_lens[] = {1, 2, 4, 1};
        uint8_t form = fuzz_octet(&rest);
        check_vendor(rest, (rsec_vendor_format){type_lens[form & 3], (uint8_t)((form >> 2) % 3), (form & 0x80) != 0});
    } else {
        check_tlvs(rest, which);
    }
    return 0;
}
