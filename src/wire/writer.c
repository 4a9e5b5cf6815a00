#include "wire/writer.h"

#include "wire/packet.h"

#include <string.h>

static rsec_status fail(rsec_writer *writer, rsec_status status) {
    if (writer->status == RSEC_OK) {
        writer->status = status;
    }
    return writer->status;
}

rsec_status rsec_writer_begin(rsec_writer *writer, uint8_t *ptr, size_t cap, uint8_t code, uint8_t id,
                              const uint8_t authenticator[RSEC_AUTHENTICATOR_LEN]) {
    *writer = (rsec_writer){.ptr = ptr, .cap = cap < RSEC_PACKET_MAX ? cap : RSEC_PACKET_MAX, .status = RSEC_OK};
    if (cap < RSEC_HEADER_LEN) {
        return fail(writer, RSEC_TOO_LONG);
    }
    ptr[0] = code;
    ptr[1] = id;
    rsec_put_u16(ptr + 2, RSEC_HEADER_LEN);
    if (authenticator != NULL) {
        memcpy(ptr + 4, authenticator, RSEC_AUTHENTICATOR_LEN);
    } else {
        memset(ptr + 4, 0, RSEC_AUTHENTICATOR_LEN);
    }
    writer->len = RSEC_HEADER_LEN;
    return RSEC_OK;
}

rsec_status rsec_writer_raw(rsec_writer *writer, rsec_view attrs) {
    if (writer->status != RSEC_OK) {
        return writer->status;
    }
    if (attrs.len > writer->cap - writer->len) {
        return fail(writer, RSEC_TOO_LONG);
    }
    if (attrs.len > 0) {
        memcpy(writer->ptr + writer->len, attrs.ptr, attrs.len);
        writer->len += attrs.len;
    }
    return RSEC_OK;
}

/* Appends an attribute's header for a value of `len` octets and returns where the value goes, or NULL. */
static uint8_t *open_attr(rsec_writer *writer, uint8_t type, size_t len) {
    if (writer->status != RSEC_OK) {
        return NULL;
    }
    if (len > RSEC_ATTR_VALUE_MAX) {
        (void)fail(writer, RSEC_ATTR_VALUE);
        return NULL;
    }
    if (len + RSEC_ATTR_HEADER_LEN > writer->cap - writer->len) {
        (void)fail(writer, RSEC_TOO_LONG);
        return NULL;
    }
    uint8_t *at = writer->ptr + writer->len;
    at[0] = type;
    at[1] = (uint8_t)(len + RSEC_ATTR_HEADER_LEN);
    writer->len += len + RSEC_ATTR_HEADER_LEN;
    return at + RSEC_ATTR_HEADER_LEN;
}

rsec_status rsec_writer_attr(rsec_writer *writer, uint8_t type, rsec_view value) {
    uint8_t *at = open_attr(writer, type, value.len);
    if (at != NULL && value.len > 0) {
        memcpy(at, value.ptr, value.len);
    }
    return writer->status;
}

rsec_status rsec_writer_attr_u32(rsec_writer *writer, uint8_t type, uint32_t value) {
    uint8_t *at = open_attr(writer, type, 4);
    if (at != NULL) {
        rsec_put_u32(at, value);
    }
    return writer->status;
}

rsec_status rsec_writer_vsa(rsec_writer *writer, uint32_t vendor_id, rsec_view data) {
    if (data.len > RSEC_ATTR_VALUE_MAX - 4) {
        return fail(writer, RSEC_ATTR_VALUE);
    }
    uint8_t *at = open_attr(writer, RSEC_ATTR_VENDOR_SPECIFIC, 4 + data.len);
    if (at != NULL) {
        rsec_put_u32(at, vendor_id);
        if (data.len > 0) {
            memcpy(at + 4, data.ptr, data.len);
        }
    }
    return writer->status;
}

rsec_status rsec_writer_message_auth(rsec_writer *writer) {
    if (writer->status != RSEC_OK || writer->message_auth_off != 0) {
        return writer->status;
    }
    uint8_t *at = open_attr(writer, RSEC_ATTR_MESSAGE_AUTHENTICATOR, RSEC_AUTHENTICATOR_LEN);
    if (at != NULL) {
        memset(at, 0, RSEC_AUTHENTICATOR_LEN);
        writer->message_auth_off = (size_t)(at - writer->ptr);
    }
    return writer->status;
}

rsec_status rsec_writer_message_auth_first(rsec_writer *writer) {
    enum { ATTR_LEN = RSEC_ATTR_HEADER_LEN + RSEC_AUTHENTICATOR_LEN };
    if (writer->status != RSEC_OK || writer->message_auth_off != 0) {
        return writer->status;
    }
    if (ATTR_LEN > writer->cap - writer->len) {
        return fail(writer, RSEC_TOO_LONG);
    }
    uint8_t *at = writer->ptr + RSEC_HEADER_LEN;
    memmove(at + ATTR_LEN, at, writer->len - RSEC_HEADER_LEN);
    memset(at, 0, ATTR_LEN);
    at[0] = RSEC_ATTR_MESSAGE_AUTHENTICATOR;
    at[1] = ATTR_LEN;
    writer->len += ATTR_LEN;
    writer->message_auth_off = RSEC_HEADER_LEN + RSEC_ATTR_HEADER_LEN;
    return RSEC_OK;
}

rsec_status rsec_writer_proxy_state(rsec_writer *writer, rsec_view request) {
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(request));
    rsec_attr attr;
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        if (attr.type == RSEC_ATTR_PROXY_STATE) {
            (void)rsec_writer_attr(writer, attr.type, attr.value); /* PKT-11 */
        }
    }
    return writer->status;
}

rsec_status rsec_writer_finish(rsec_writer *writer) {
    if (writer->status == RSEC_OK) {
        rsec_put_u16(writer->ptr + 2, (uint16_t)writer->len);
    }
    return writer->status;
}
