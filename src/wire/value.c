#include "wire/value.h"

#include <string.h>

static const char lower_hex[] = "0123456789abcdef";

int rsec_hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

rsec_status rsec_hex_parse(const char *text, size_t text_len, uint8_t *octets, size_t *len) {
    size_t cap = *len;
    *len = 0;
    if (text_len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
        text_len -= 2;
    }
    if (text_len % 2 != 0) {
        return RSEC_ATTR_VALUE;
    }
    if (text_len / 2 > cap) {
        return RSEC_TOO_LONG;
    }
    for (size_t i = 0; i < text_len / 2; i++) {
        int high = rsec_hex_digit(text[2 * i]), low = rsec_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return RSEC_ATTR_VALUE;
        }
        octets[i] = (uint8_t)(high << 4 | low);
    }
    *len = text_len / 2;
    return RSEC_OK;
}

size_t rsec_hex_format(rsec_view octets, char *text) {
    for (size_t i = 0; i < octets.len; i++) {
        text[2 * i] = lower_hex[octets.ptr[i] >> 4];
        text[2 * i + 1] = lower_hex[octets.ptr[i] & 15];
    }
    text[2 * octets.len] = '\0';
    return 2 * octets.len;
}

/* Reads 1..max_digits hex digits at *off; RSEC_ATTR_VALUE when there is none. */
static rsec_status read_hex_group(const char *text, size_t len, size_t *off, unsigned max_digits, unsigned *value) {
    unsigned digits = 0;
    *value = 0;
    while (*off < len && digits < max_digits && rsec_hex_digit(text[*off]) >= 0) {
        *value = *value << 4 | (unsigned)rsec_hex_digit(text[*off]);
        (*off)++;
        digits++;
    }
    return digits > 0 ? RSEC_OK : RSEC_ATTR_VALUE;
}

rsec_status rsec_ifid_parse(const char *text, size_t len, uint8_t octets[8]) {
    size_t off = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned group;
        if (i > 0 && (off >= len || text[off++] != ':')) {
            return RSEC_ATTR_VALUE;
        }
        if (read_hex_group(text, len, &off, 4, &group) != RSEC_OK) {
            return RSEC_ATTR_VALUE;
        }
        rsec_put_u16(octets + 2 * i, (uint16_t)group);
    }
    return off == len ? RSEC_OK : RSEC_ATTR_VALUE;
}

/* Hex digits of `len` octets, with a colon after every `group` of them but the last. */
static size_t format_groups(const uint8_t *octets, size_t len, size_t group, char *text) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && i % group == 0) {
            text[n++] = ':';
        }
        text[n++] = lower_hex[octets[i] >> 4];
        text[n++] = lower_hex[octets[i] & 15];
    }
    text[n] = '\0';
    return n;
}

size_t rsec_ifid_format(const uint8_t octets[8], char text[RSEC_IFID_TEXT]) {
    return format_groups(octets, 8, 2, text);
}

rsec_status rsec_ether_parse(const char *text, size_t len, uint8_t octets[6]) {
    size_t off = 0;
    for (size_t i = 0; i < 6; i++) {
        unsigned group;
        if (i > 0 && (off >= len || (text[off] != ':' && text[off] != '-'))) {
            return RSEC_ATTR_VALUE;
        }
        off += i > 0;
        if (read_hex_group(text, len, &off, 2, &group) != RSEC_OK) {
            return RSEC_ATTR_VALUE;
        }
        octets[i] = (uint8_t)group;
    }
    return off == len ? RSEC_OK : RSEC_ATTR_VALUE;
}

size_t rsec_ether_format(const uint8_t octets[6], char text[RSEC_ETHER_TEXT]) {
    return format_groups(octets, 6, 1, text);
}

bool rsec_utf8_is_valid(rsec_view octets) {
    const uint8_t *ptr = octets.ptr;
    size_t left = octets.len;
    while (left > 0) {
        size_t len;
        uint32_t point, least;
        if (ptr[0] < 0x80) {
            ptr++;
            left--;
            continue;
        }
        if ((ptr[0] & 0xe0) == 0xc0) {
            len = 2, point = ptr[0] & 0x1fU, least = 0x80;
        } else if ((ptr[0] & 0xf0) == 0xe0) {
            len = 3, point = ptr[0] & 0x0fU, least = 0x800;
        } else if ((ptr[0] & 0xf8) == 0xf0) {
            len = 4, point = ptr[0] & 0x07U, least = 0x10000;
        } else {
            return false;
        }
        if (left < len) {
            return false;
        }
        for (size_t i = 1; i < len; i++) {
            if ((ptr[i] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (ptr[i] & 0x3fU);
        }
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        ptr += len;
        left -= len;
    }
    return true;
}
