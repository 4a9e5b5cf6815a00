/* Attributes inside attributes, read and written in place: extended types and EVS (RFC 6929 §2.1, §2.2, §2.4) and the vendor
 * attributes of Vendor-Specific (RFC 2865 §5.26, with the widths and the continuation octet that some vendors have).
 * TLVs (RFC 6929 §2.3) are walked with rsec_attr_next and written with wire/tlv.h.
 *
 * A long value goes over several attributes. Its fragments have to follow each other among the attributes of their type; what
 * stands between two of them under another type does not matter, since RADIUS keeps no order between types. A value that has
 * no last fragment, or that another one interrupts, is malformed: then none of the attributes of that type is taken apart, so
 * that what is sent on is what was received.
 *
 * Nothing here allocates; views borrow from the octets that were read. Any thread.
 */
#ifndef RSEC_WIRE_CONTAINER_H
#define RSEC_WIRE_CONTAINER_H

#include "wire/packet.h"
#include "wire/writer.h"

#include <stdbool.h>

enum {
    RSEC_EXTENDED_VALUE_MAX = 252,     /* RFC 6929 §2.1 */
    RSEC_LONG_EXTENDED_PART_MAX = 251, /* RFC 6929 §2.2: of one fragment */
    RSEC_EVS_HEADER_LEN = 5,           /* vendor id and vendor type, RFC 6929 §2.4 */
    RSEC_VENDOR_DATA_MAX = 249,        /* of one Vendor-Specific, behind the vendor id */
    RSEC_FRAGMENT_MORE = 0x80,         /* flag of long extended attributes and of the vendors' continuation octet */
};

/* --- extended types --- */

/* The value of one extended attribute: Extended-Type, flags where it is a long one, and the rest. */
typedef struct {
    uint8_t type;
    bool more; /* another fragment follows */
    rsec_view value;
} rsec_extended;

/* RSEC_OK, or RSEC_TOO_SHORT when `value` has no room for the one octet of header (two in a long one). */
RSEC_CHECK rsec_status rsec_extended_read(rsec_view value, bool is_long, rsec_extended *part);

/* Checks all attributes of `code` in `attrs`, which are whole: RSEC_OK, RSEC_TOO_SHORT, or RSEC_FRAGMENT for a value that
 * does not end; *err_num (may be NULL) is which of the attributes of `code` it was, from 0. */
RSEC_CHECK rsec_status rsec_extended_check(rsec_view attrs, uint8_t code, bool is_long, size_t *err_num);

/* Joins the fragments of one value: `first`, and those under `code` from where `walk` stands, until the last. Octets go to
 * `out`; *len is the capacity on entry, what was written on return. An EVS value has the vendor in the first fragment (RFC 6929
 * §2.4): octets that look the same at the front of another are the value's own. RSEC_FRAGMENT: there is no last one;
 * RSEC_TOO_LONG: no room. */
RSEC_CHECK rsec_status rsec_extended_join(rsec_attr_walk walk, uint8_t code, const rsec_extended *first, uint8_t *out,
                                          size_t *len);

/* Appends one value as an extended attribute: `head` and `value` are one behind the other. RSEC_ATTR_VALUE when they have more
 * than 252 octets and it is no long one; a long one is cut into fragments of 251. */
rsec_status rsec_writer_extended(rsec_writer *writer, uint8_t code, bool is_long, uint8_t type, rsec_view head,
                                 rsec_view value);

/* What the value of an attribute of type evs begins with. */
typedef struct {
    uint32_t vendor;
    uint8_t type;
    rsec_view value;
} rsec_evs;

/* False when there are fewer than five octets. */
bool rsec_evs_read(rsec_view value, rsec_evs *evs);
void rsec_evs_put(uint8_t head[RSEC_EVS_HEADER_LEN], uint32_t vendor, uint8_t type);

/* --- vendor attributes --- */

/* How a vendor writes its attributes. */
typedef struct {
    uint8_t type_len; /* octets of the type: 1, 2, 4 */
    uint8_t len_len;  /* octets of the length: 0 (the value goes to the end), 1, 2 */
    bool has_more;    /* a continuation octet follows them */
} rsec_vendor_format;

bool rsec_vendor_format_is_valid(rsec_vendor_format format);

/* The octets in front of a value. */
static inline size_t rsec_vendor_head(rsec_vendor_format format) {
    return (size_t)format.type_len + format.len_len + (format.has_more ? 1 : 0);
}

typedef struct {
    uint32_t type;
    bool more; /* another fragment follows */
    size_t off;
    rsec_view value;
} rsec_vendor_part;

/* Walks the data of one Vendor-Specific, behind the vendor id. */
typedef struct {
    rsec_view octets;
    size_t off;
    rsec_vendor_format format;
} rsec_vendor_walk;

/* RSEC_OK and *part; RSEC_ABSENT at the exact end; RSEC_ATTR_LENGTH or RSEC_ATTR_OVERRUN, with part->off at the place. */
RSEC_CHECK rsec_status rsec_vendor_next(rsec_vendor_walk *walk, rsec_vendor_part *part);

/* Whether the data of one Vendor-Specific is one vendor attribute or more, exactly. */
bool rsec_vendor_divides(rsec_view data, rsec_vendor_format format);

/* Whether all of `vendor`'s attributes in `attrs`, which are whole, divide and every value in fragments ends. */
bool rsec_vendor_check(rsec_view attrs, uint32_t vendor, rsec_vendor_format format);

/* Appends one value: type, length, and where the vendor has a continuation octet as many Vendor-Specifics as it takes.
 * RSEC_ATTR_VALUE: the type has more octets than the format gives it, or the value does not fit one attribute. */
rsec_status rsec_writer_vendor(rsec_writer *writer, uint32_t vendor, rsec_vendor_format format, uint32_t type,
                               rsec_view value);

#endif
