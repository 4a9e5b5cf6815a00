/* rsec_tlv_pack: TLVs inside TLVs (RFC 6929 §2.3), written into memory of the caller's leaf by leaf.
 *
 * A leaf comes with the codes of the TLVs around it. Those that are open already are shared, the others are opened; a TLV that
 * has no room left (253 octets) is closed and opened anew, which to a reader is the same. Nothing allocates.
 */
#ifndef RSEC_WIRE_TLV_H
#define RSEC_WIRE_TLV_H

#include "wire/status.h"
#include "wire/view.h"

enum {
    RSEC_TLV_HEADER_LEN = 2,
    RSEC_TLV_VALUE_MAX = 253,
    RSEC_TLV_DEPTH_MAX = 32, /* TLVs around a leaf */
};

typedef struct {
    uint8_t *ptr; /* borrowed */
    size_t cap;   /* octets at ptr */
    size_t len;   /* octets written */
    unsigned depth;
    struct {
        uint8_t code;
        size_t off; /* of its header */
        size_t len; /* of its value so far */
    } open[RSEC_TLV_DEPTH_MAX];
} rsec_tlv_pack;

void rsec_tlv_begin(rsec_tlv_pack *pack, uint8_t *ptr, size_t cap);

static inline rsec_view rsec_tlv_octets(const rsec_tlv_pack *pack) {
    return rsec_view_of(pack->ptr, pack->len);
}

/* Appends the TLV `code` with `value` inside the TLVs path[0] … path[depth - 1], outermost first. RSEC_MORE: it fits, but not
 * behind what is there; nothing was written. RSEC_ATTR_VALUE: it never fits. RSEC_TOO_LONG: depth above 32. */
RSEC_CHECK rsec_status rsec_tlv_put(rsec_tlv_pack *pack, const uint8_t *path, unsigned depth, uint8_t code,
                                    rsec_view value);

/* Opens the TLVs path[0] … path[depth - 1] and leaves them empty when nothing follows. Outcomes as rsec_tlv_put. */
RSEC_CHECK rsec_status rsec_tlv_put_empty(rsec_tlv_pack *pack, const uint8_t *path, unsigned depth);

#endif
