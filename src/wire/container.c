#include "wire/container.h"

#include <string.h>

/* Whether parts follow each other as they should: those of one value have one type. */
typedef struct {
    bool is_open;
    uint32_t type;
} chain;

static bool chain_takes(chain *at, uint32_t type, bool more) {
    if (at->is_open && at->type != type) {
        return false;
    }
    *at = (chain){more, type};
    return true;
}

/* --- extended types --- */

rsec_status rsec_extended_read(rsec_view value, bool is_long, rsec_extended *part) {
    size_t head = is_long ? 2 : 1;
    *part = (rsec_extended){0};
    if (value.len < head) {
        return RSEC_TOO_SHORT;
    }
    part->type = value.ptr[0];
    part->more = is_long && (value.ptr[1] & RSEC_FRAGMENT_MORE) != 0;
    part->value = rsec_view_part(value, head, value.len - head);
    return RSEC_OK;
}

rsec_status rsec_extended_check(rsec_view attrs, uint8_t code, bool is_long, size_t *err_num) {
    rsec_attr_walk walk = rsec_attr_walk_of(attrs);
    rsec_attr attr;
    rsec_extended part;
    chain values = {false, 0};
    rsec_status status = RSEC_OK;
    size_t num = 0;
    while (status == RSEC_OK && rsec_attr_next(&walk, &attr) == RSEC_OK) {
        if (attr.type != code) {
            continue;
        }
        status = rsec_extended_read(attr.value, is_long, &part);
        if (status == RSEC_OK && !chain_takes(&values, part.type, part.more)) {
            status = RSEC_FRAGMENT;
        }
        num += status == RSEC_OK ? 1 : 0;
    }
    if (status == RSEC_OK && values.is_open) {
        status = RSEC_FRAGMENT;
        num--;
    }
    if (err_num != NULL) {
        *err_num = status == RSEC_OK ? 0 : num;
    }
    return status;
}

static rsec_status append(uint8_t *out, size_t cap, size_t *len, rsec_view octets) {
    if (octets.len > cap - *len) {
        return RSEC_TOO_LONG;
    }
    if (octets.len > 0) {
        memcpy(out + *len, octets.ptr, octets.len);
        *len += octets.len;
    }
    return RSEC_OK;
}

rsec_status rsec_extended_join(rsec_attr_walk walk, uint8_t code, const rsec_extended *first, uint8_t *out,
                               size_t *len) {
    size_t cap = *len;
    rsec_extended part = *first;
    rsec_attr attr;
    *len = 0;
    rsec_status status = append(out, cap, len, part.value);
    while (status == RSEC_OK && part.more) {
        if (rsec_attr_next(&walk, &attr) != RSEC_OK) {
            return RSEC_FRAGMENT;
        }
        if (attr.type != code) {
            continue;
        }
        if (rsec_extended_read(attr.value, true, &part) != RSEC_OK || part.type != first->type) {
            return RSEC_FRAGMENT;
        }
        status = append(out, cap, len, part.value);
    }
    return status;
}

rsec_status rsec_writer_extended(rsec_writer *writer, uint8_t code, bool is_long, uint8_t type, rsec_view head,
                                 rsec_view value) {
    size_t front = is_long ? 2 : 1, most = RSEC_ATTR_VALUE_MAX - front;
    if (writer->status == RSEC_OK && !is_long && head.len + value.len > most) {
        writer->status = RSEC_ATTR_VALUE;
    }
    do {
        uint8_t octets[RSEC_ATTR_VALUE_MAX] = {type};
        size_t len = front;
        rsec_view *parts[] = {&head, &value};
        for (size_t i = 0; i < 2; i++) {
            size_t room = sizeof octets - len;
            rsec_view part = rsec_view_part(*parts[i], 0, parts[i]->len < room ? parts[i]->len : room);
            (void)append(octets, sizeof octets, &len, part);
            *parts[i] = rsec_view_part(*parts[i], part.len, parts[i]->len - part.len);
        }
        if (is_long && head.len + value.len > 0) {
            octets[1] = RSEC_FRAGMENT_MORE;
        }
        (void)rsec_writer_attr(writer, code, rsec_view_of(octets, len));
    } while (writer->status == RSEC_OK && head.len + value.len > 0);
    return writer->status;
}

bool rsec_evs_read(rsec_view value, rsec_evs *evs) {
    *evs = (rsec_evs){0};
    if (value.len < RSEC_EVS_HEADER_LEN) {
        return false;
    }
    evs->vendor = rsec_get_u32(value.ptr);
    evs->type = value.ptr[4];
    evs->value = rsec_view_part(value, RSEC_EVS_HEADER_LEN, value.len - RSEC_EVS_HEADER_LEN);
    return true;
}

void rsec_evs_put(uint8_t head[RSEC_EVS_HEADER_LEN], uint32_t vendor, uint8_t type) {
    rsec_put_u32(head, vendor);
    head[4] = type;
}

/* --- vendor attributes --- */

bool rsec_vendor_format_is_valid(rsec_vendor_format format) {
    return (format.type_len == 1 || format.type_len == 2 || format.type_len == 4) && format.len_len <= 2;
}

/* A number of 0, 1, 2 or 4 octets. */
static uint32_t read_number(const uint8_t *ptr, unsigned len) {
    return len == 4 ? rsec_get_u32(ptr) : len == 2 ? rsec_get_u16(ptr) : len == 1 ? *ptr : 0;
}

static void put_number(uint8_t *ptr, uint32_t value, unsigned len) {
    for (unsigned i = 0; i < len; i++) {
        ptr[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    }
}

rsec_status rsec_vendor_next(rsec_vendor_walk *walk, rsec_vendor_part *part) {
    const rsec_vendor_format *format = &walk->format;
    size_t left = walk->octets.len - walk->off, head = rsec_vendor_head(*format);
    *part = (rsec_vendor_part){.off = walk->off};
    if (left == 0) {
        return RSEC_ABSENT;
    }
    if (left < head) {
        return RSEC_ATTR_OVERRUN;
    }
    const uint8_t *ptr = walk->octets.ptr + walk->off;
    size_t len = format->len_len > 0 ? read_number(ptr + format->type_len, format->len_len) : left;
    if (len < head) {
        return RSEC_ATTR_LENGTH;
    }
    if (len > left) {
        return RSEC_ATTR_OVERRUN;
    }
    part->type = read_number(ptr, format->type_len);
    part->more = format->has_more && (ptr[head - 1] & RSEC_FRAGMENT_MORE) != 0;
    part->value = rsec_view_of(ptr + head, len - head);
    walk->off += len;
    return RSEC_OK;
}

/* Walks the data of one Vendor-Specific; the values in fragments go on from `values`. */
static bool divides(rsec_view data, rsec_vendor_format format, chain *values) {
    rsec_vendor_walk walk = {data, 0, format};
    rsec_vendor_part part;
    rsec_status status;
    while ((status = rsec_vendor_next(&walk, &part)) == RSEC_OK) {
        if (!chain_takes(values, part.type, part.more)) {
            return false;
        }
    }
    return status == RSEC_ABSENT && data.len > 0;
}

bool rsec_vendor_divides(rsec_view data, rsec_vendor_format format) {
    rsec_vendor_walk walk = {data, 0, format};
    rsec_vendor_part part;
    rsec_status status;
    do {
        status = rsec_vendor_next(&walk, &part);
    } while (status == RSEC_OK);
    return status == RSEC_ABSENT && data.len > 0;
}

bool rsec_vendor_check(rsec_view attrs, uint32_t vendor, rsec_vendor_format format) {
    rsec_attr_walk walk = rsec_attr_walk_of(attrs);
    rsec_attr attr;
    chain values = {false, 0};
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        if (attr.type == RSEC_ATTR_VENDOR_SPECIFIC && attr.value.len >= 4 && rsec_get_u32(attr.value.ptr) == vendor &&
            !divides(rsec_view_part(attr.value, 4, attr.value.len - 4), format, &values)) {
            return false;
        }
    }
    return !values.is_open;
}

rsec_status rsec_writer_vendor(rsec_writer *writer, uint32_t vendor, rsec_vendor_format format, uint32_t type,
                               rsec_view value) {
    size_t head = rsec_vendor_head(format), most = RSEC_VENDOR_DATA_MAX - head;
    bool fits = format.type_len == 4 || type >> (8 * format.type_len) == 0;
    if (writer->status == RSEC_OK && (!fits || (value.len > most && !format.has_more))) {
        writer->status = RSEC_ATTR_VALUE;
    }
    do {
        uint8_t data[RSEC_VENDOR_DATA_MAX];
        size_t len = head, room = value.len < most ? value.len : most;
        put_number(data, type, format.type_len);
        put_number(data + format.type_len, (uint32_t)(head + room), format.len_len);
        if (format.has_more) {
            data[head - 1] = value.len > room ? RSEC_FRAGMENT_MORE : 0;
        }
        (void)append(data, sizeof data, &len, rsec_view_part(value, 0, room));
        value = rsec_view_part(value, room, value.len - room);
        (void)rsec_writer_vsa(writer, vendor, rsec_view_of(data, len));
    } while (writer->status == RSEC_OK && value.len > 0);
    return writer->status;
}
