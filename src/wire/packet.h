/* A RADIUS packet as it stands in memory: header fields and the walk over its attributes (RFC 2865 §3, §5).
 *
 * Everything here reads borrowed octets and allocates nothing; any thread may call it.
 */
#ifndef RSEC_WIRE_PACKET_H
#define RSEC_WIRE_PACKET_H

#include "wire/code.h"
#include "wire/status.h"
#include "wire/view.h"

/* Looks at the start of a byte stream. RSEC_OK: the first *len octets (20..4096) are one packet, all of them there.
 * RSEC_MORE: not all there yet; *len is the packet's length when the header's first four octets are known, else 0.
 * RSEC_TOO_SHORT, RSEC_TOO_LONG: the Length field is out of bounds and the stream cannot be followed any further;
 * *len is the Length found (PKT-2). A stream has no other boundaries (PKT-1). */
RSEC_CHECK rsec_status rsec_packet_frame(rsec_view stream, size_t *len);

/* Checks that `pkt` is one whole packet: 20..4096 octets, as many as its Length field says, and attributes of two
 * octets or more that fill it exactly (PKT-2, PKT-3). RSEC_OK, RSEC_TOO_SHORT, RSEC_TOO_LONG, RSEC_LENGTH_MISMATCH,
 * RSEC_ATTR_LENGTH or RSEC_ATTR_OVERRUN; *err_off (may be NULL) is the offset of the offending attribute, 2 for a
 * wrong Length field, 0 when all is well. */
RSEC_CHECK rsec_status rsec_packet_check(rsec_view pkt, size_t *err_off);

/* Header fields of a packet of at least 20 octets. */
static inline uint8_t rsec_packet_code(rsec_view pkt) {
    return pkt.ptr[0];
}
static inline uint8_t rsec_packet_id(rsec_view pkt) {
    return pkt.ptr[1];
}
static inline uint16_t rsec_packet_length(rsec_view pkt) {
    return rsec_get_u16(pkt.ptr + 2);
}
static inline const uint8_t *rsec_packet_authenticator(rsec_view pkt) {
    return pkt.ptr + 4;
}

/* One attribute in place. `off` is where it starts in the walked octets; value borrows from them. */
typedef struct {
    uint8_t type;
    size_t off;
    rsec_view value; /* 0..253 octets */
} rsec_attr;

/* Walks attributes one by one: init on the octets after a header (or of any TLV space), then next until it does not
 * return RSEC_OK. */
typedef struct {
    rsec_view octets;
    size_t off;
} rsec_attr_walk;

static inline rsec_attr_walk rsec_attr_walk_of(rsec_view octets) {
    return (rsec_attr_walk){octets, 0};
}

/* RSEC_OK and *attr; RSEC_ABSENT at the exact end; RSEC_ATTR_LENGTH or RSEC_ATTR_OVERRUN, with attr->off at the
 * offending place. After an error the walk stays where it is. */
RSEC_CHECK rsec_status rsec_attr_next(rsec_attr_walk *walk, rsec_attr *attr);

/* As rsec_attr_next, past the attributes of other types: RSEC_ABSENT when there is no further one of `type`. */
RSEC_CHECK rsec_status rsec_attr_next_of(rsec_attr_walk *walk, uint8_t type, rsec_attr *attr);

/* The attributes of a packet of at least 20 octets. */
static inline rsec_view rsec_packet_attrs(rsec_view pkt) {
    return (rsec_view){pkt.ptr + RSEC_HEADER_LEN, pkt.len - RSEC_HEADER_LEN};
}

/* A set of attribute types. */
typedef struct {
    uint64_t bits[4];
} rsec_type_set;

static inline bool rsec_type_set_has(const rsec_type_set *set, uint8_t type) {
    return (set->bits[type >> 6] >> (type & 63U) & 1U) != 0;
}
static inline void rsec_type_set_add(rsec_type_set *set, uint8_t type) {
    set->bits[type >> 6] |= UINT64_C(1) << (type & 63U);
}

/* What one pass over a checked packet finds for verification and dispatch. Offsets are from the start of the packet. */
typedef struct {
    size_t message_auth_off;    /* of the Message-Authenticator's 16 octet value; 0 when there is none */
    unsigned message_auth_num;  /* how many attributes of type 80 there are, whatever their length */
    bool message_auth_is_sized; /* the first attribute of type 80 has a 16-octet value */
    bool has_eap_message;       /* PKT-15 */
    size_t proxy_state_off;     /* of the first Proxy-State attribute, header included; 0 when there is none */
    size_t user_name_off;       /* of the first User-Name attribute, header included; 0 when there is none */
    rsec_type_set repeated;     /* the types that are there more than once */
} rsec_packet_facts;

/* Fills *facts from `pkt` and checks it as rsec_packet_check does, in one pass. *facts is zeroed on failure. */
RSEC_CHECK rsec_status rsec_packet_scan(rsec_view pkt, rsec_packet_facts *facts, size_t *err_off);

#endif
