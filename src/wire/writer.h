/* rsec_writer: builds one packet into memory of the caller's.
 *
 * The writer never allocates. After a failed call the octets written so far stand, the failure is remembered, every
 * later call returns it again, and rsec_writer_finish reports it: a caller may write on and look once, at the end.
 */
#ifndef RSEC_WIRE_WRITER_H
#define RSEC_WIRE_WRITER_H

#include "wire/code.h"
#include "wire/status.h"
#include "wire/view.h"

typedef struct {
    uint8_t *ptr;            /* borrowed */
    size_t cap;              /* octets at ptr */
    size_t len;              /* octets written */
    size_t message_auth_off; /* of the Message-Authenticator's value; 0: none written */
    rsec_status status;
} rsec_writer;

/* Starts a packet at `ptr` with a header of `code` and `id`; the 16 octets at `authenticator` are copied, zeros when it
 * is NULL. RSEC_TOO_LONG when `cap` is below 20. At most 4096 octets are ever written. */
RSEC_CHECK rsec_status rsec_writer_begin(rsec_writer *writer, uint8_t *ptr, size_t cap, uint8_t code, uint8_t id,
                                         const uint8_t authenticator[RSEC_AUTHENTICATOR_LEN]);

/* Appends one attribute. RSEC_ATTR_VALUE: the value has more than 253 octets; RSEC_TOO_LONG: no room. */
rsec_status rsec_writer_attr(rsec_writer *writer, uint8_t type, rsec_view value);

/* Appends a 32-bit number, big-endian. */
rsec_status rsec_writer_attr_u32(rsec_writer *writer, uint8_t type, uint32_t value);

/* Appends octets that already are whole attributes. The caller vouches for their form. */
rsec_status rsec_writer_raw(rsec_writer *writer, rsec_view attrs);

/* Appends a Vendor-Specific attribute whose vendor part is `data` (RFC 2865 §5.26): 4 octets of vendor id, then data of
 * at most 249 octets. */
rsec_status rsec_writer_vsa(rsec_writer *writer, uint32_t vendor_id, rsec_view data);

/* Appends a Message-Authenticator of 16 zero octets and remembers its place; a second one is ignored (RSEC_OK). */
rsec_status rsec_writer_message_auth(rsec_writer *writer);

/* Inserts a Message-Authenticator of 16 zero octets as the first attribute (PKT-17), moving what stands there. Ignored
 * (RSEC_OK) when one was written already. */
rsec_status rsec_writer_message_auth_first(rsec_writer *writer);

/* Appends every Proxy-State of the request packet `request` (checked, 20..4096 octets), in order (PKT-11). */
rsec_status rsec_writer_proxy_state(rsec_writer *writer, rsec_view request);

/* Writes the Length field. Returns the first failure of any call before, or RSEC_OK. */
RSEC_CHECK rsec_status rsec_writer_finish(rsec_writer *writer);

#endif
