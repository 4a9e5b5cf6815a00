#include "wire/packet.h"

rsec_status rsec_packet_frame(rsec_view stream, size_t *len) {
    *len = 0;
    if (stream.len < 4) {
        return RSEC_MORE;
    }
    *len = rsec_get_u16(stream.ptr + 2);
    if (*len < RSEC_PACKET_MIN) {
        return RSEC_TOO_SHORT; /* PKT-2 */
    }
    if (*len > RSEC_PACKET_MAX) {
        return RSEC_TOO_LONG; /* PKT-2 */
    }
    return stream.len < *len ? RSEC_MORE : RSEC_OK;
}

rsec_status rsec_attr_next(rsec_attr_walk *walk, rsec_attr *attr) {
    size_t left = walk->octets.len - walk->off;
    *attr = (rsec_attr){.off = walk->off};
    if (left == 0) {
        return RSEC_ABSENT;
    }
    const uint8_t *ptr = walk->octets.ptr + walk->off;
    attr->type = ptr[0];
    if (left < RSEC_ATTR_HEADER_LEN) {
        return RSEC_ATTR_OVERRUN; /* PKT-3: a lone octet has no room for its length */
    }
    if (ptr[1] < RSEC_ATTR_HEADER_LEN) {
        return RSEC_ATTR_LENGTH; /* PKT-3 */
    }
    if (ptr[1] > left) {
        return RSEC_ATTR_OVERRUN; /* PKT-3 */
    }
    attr->value = rsec_view_of(ptr + RSEC_ATTR_HEADER_LEN, (size_t)ptr[1] - RSEC_ATTR_HEADER_LEN);
    walk->off += ptr[1];
    return RSEC_OK;
}

rsec_status rsec_attr_next_of(rsec_attr_walk *walk, uint8_t type, rsec_attr *attr) {
    const uint8_t *ptr = walk->octets.ptr;
    size_t off = walk->off, len = walk->octets.len;
    while (len - off >= RSEC_ATTR_HEADER_LEN && ptr[off] != type && ptr[off + 1] >= RSEC_ATTR_HEADER_LEN &&
           ptr[off + 1] <= len - off) {
        off += ptr[off + 1];
    }
    walk->off = off;
    return rsec_attr_next(walk, attr); /* one of `type`, the end, or what is malformed */
}

rsec_status rsec_packet_scan(rsec_view pkt, rsec_packet_facts *facts, size_t *err_off) {
    size_t at = 2; /* of the Length field */
    rsec_status status = RSEC_OK;
    rsec_packet_facts found = {0};
    rsec_type_set there = {{0}};
    *facts = found;
    if (pkt.len < RSEC_PACKET_MIN || rsec_packet_length(pkt) < RSEC_PACKET_MIN) {
        status = RSEC_TOO_SHORT;
    } else if (pkt.len > RSEC_PACKET_MAX || rsec_packet_length(pkt) > RSEC_PACKET_MAX) {
        status = RSEC_TOO_LONG;
    } else if (rsec_packet_length(pkt) != pkt.len) {
        status = RSEC_LENGTH_MISMATCH;
    } else {
        rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(pkt));
        rsec_attr attr;
        while ((status = rsec_attr_next(&walk, &attr)) == RSEC_OK) {
            size_t off = RSEC_HEADER_LEN + attr.off;
            if (rsec_type_set_has(&there, attr.type)) {
                rsec_type_set_add(&found.repeated, attr.type);
            }
            rsec_type_set_add(&there, attr.type);
            switch (attr.type) {
            case RSEC_ATTR_MESSAGE_AUTHENTICATOR:
                if (found.message_auth_num++ == 0) {
                    found.message_auth_off = off + RSEC_ATTR_HEADER_LEN;
                    found.message_auth_is_sized = attr.value.len == RSEC_AUTHENTICATOR_LEN;
                }
                break;
            case RSEC_ATTR_EAP_MESSAGE:
                found.has_eap_message = true;
                break;
            case RSEC_ATTR_PROXY_STATE:
                found.proxy_state_off = found.proxy_state_off == 0 ? off : found.proxy_state_off;
                break;
            case RSEC_ATTR_USER_NAME:
                found.user_name_off = found.user_name_off == 0 ? off : found.user_name_off;
                break;
            default: /* PKT-6: whatever else there is is carried */
                break;
            }
        }
        if (status == RSEC_ABSENT) {
            status = RSEC_OK;
            at = 0;
            *facts = found;
        } else {
            at = RSEC_HEADER_LEN + attr.off;
        }
    }
    if (err_off != NULL) {
        *err_off = at;
    }
    return status;
}

rsec_status rsec_packet_check(rsec_view pkt, size_t *err_off) {
    rsec_packet_facts facts;
    return rsec_packet_scan(pkt, &facts, err_off);
}
