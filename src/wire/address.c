/* The address types of value.h: IPv4, IPv6 and their prefixes, written out here so that they read and write the same on
 * every platform. */
#include "wire/value.h"

#include <string.h>

/* A decimal number of at most `max` without leading zeros at *off, moved behind it. */
static rsec_status read_decimal(const char *text, size_t len, size_t *off, unsigned max, unsigned *value) {
    size_t start = *off;
    *value = 0;
    while (*off < len && text[*off] >= '0' && text[*off] <= '9') {
        *value = *value * 10 + (unsigned)(text[*off] - '0');
        (*off)++;
        if (*value > max) {
            return RSEC_ATTR_VALUE;
        }
    }
    bool has_leading_zero = *off - start > 1 && text[start] == '0';
    return *off > start && !has_leading_zero ? RSEC_OK : RSEC_ATTR_VALUE;
}

static size_t write_decimal(unsigned value, char *text) {
    char digits[10];
    size_t num = 0, n = 0;
    do {
        digits[num++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (num > 0) {
        text[n++] = digits[--num];
    }
    return n;
}

rsec_status rsec_ipv4_parse(const char *text, size_t len, uint8_t octets[4]) {
    size_t off = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned part;
        if (i > 0 && (off >= len || text[off++] != '.')) {
            return RSEC_ATTR_VALUE;
        }
        if (read_decimal(text, len, &off, 255, &part) != RSEC_OK) {
            return RSEC_ATTR_VALUE;
        }
        octets[i] = (uint8_t)part;
    }
    return off == len ? RSEC_OK : RSEC_ATTR_VALUE;
}

size_t rsec_ipv4_format(const uint8_t octets[4], char text[RSEC_IPV4_TEXT]) {
    size_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i > 0) {
            text[n++] = '.';
        }
        n += write_decimal(octets[i], text + n);
    }
    text[n] = '\0';
    return n;
}

/* Where a dotted quad that ends the text begins, when the group at `off` is one. */
static bool is_dotted(const char *text, size_t len, size_t off) {
    return memchr(text + off, '.', len - off) != NULL && memchr(text + off, ':', len - off) == NULL;
}

rsec_status rsec_ipv6_parse(const char *text, size_t len, uint8_t octets[16]) {
    const char *scope = memchr(text, '%', len);
    if (scope != NULL) {
        if (scope + 1 == text + len) {
            return RSEC_ATTR_VALUE;
        }
        len = (size_t)(scope - text);
    }
    uint8_t groups[16] = {0};
    size_t num = 0, gap = SIZE_MAX, off = 0; /* octets read, and how many before the "::" */
    if (len >= 2 && text[0] == ':' && text[1] == ':') {
        gap = 0;
        off = 2;
    }
    while (off < len) {
        if (num <= 12 && is_dotted(text, len, off)) {
            if (rsec_ipv4_parse(text + off, len - off, groups + num) != RSEC_OK) {
                return RSEC_ATTR_VALUE;
            }
            num += 4; /* and nothing follows it */
            break;
        }
        unsigned value = 0, digits = 0;
        while (off < len && digits < 4 && rsec_hex_digit(text[off]) >= 0) {
            value = value << 4 | (unsigned)rsec_hex_digit(text[off++]);
            digits++;
        }
        if (digits == 0 || num == 16) {
            return RSEC_ATTR_VALUE;
        }
        rsec_put_u16(groups + num, (uint16_t)value);
        num += 2;
        if (off == len) {
            break;
        }
        if (text[off++] != ':' || off == len) {
            return RSEC_ATTR_VALUE;
        }
        if (text[off] == ':') {
            if (gap != SIZE_MAX) {
                return RSEC_ATTR_VALUE;
            }
            gap = num;
            off++;
        }
    }
    if (gap == SIZE_MAX ? num != 16 : num > 14) {
        return RSEC_ATTR_VALUE;
    }
    memset(octets, 0, 16);
    if (gap == SIZE_MAX) {
        memcpy(octets, groups, 16);
    } else {
        memcpy(octets, groups, gap);
        memcpy(octets + 16 - (num - gap), groups + gap, num - gap);
    }
    return RSEC_OK;
}

size_t rsec_ipv6_format(const uint8_t octets[16], char text[RSEC_IPV6_TEXT]) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(octets, mapped, sizeof mapped) == 0) {
        memcpy(text, "::ffff:", 7);
        return 7 + rsec_ipv4_format(octets + 12, text + 7);
    }
    size_t gap = 8, gap_len = 1; /* the first of the longest runs of two or more zero groups (RFC 5952 §4.2) */
    for (size_t i = 0; i < 8; i++) {
        size_t run = 0;
        while (i + run < 8 && rsec_get_u16(octets + 2 * (i + run)) == 0) {
            run++;
        }
        if (run > gap_len) {
            gap = i;
            gap_len = run;
        }
        i += run > 0 ? run - 1 : 0;
    }
    size_t n = 0;
    for (size_t i = 0; i < 8;) {
        if (i == gap) {
            text[n++] = ':';
            text[n++] = ':';
            i += gap_len;
            continue;
        }
        if (i > 0 && i != gap + gap_len) {
            text[n++] = ':';
        }
        unsigned value = rsec_get_u16(octets + 2 * i++);
        bool is_begun = false;
        for (int shift = 12; shift >= 0; shift -= 4) {
            unsigned digit = value >> shift & 15;
            if (digit != 0 || is_begun || shift == 0) {
                text[n++] = "0123456789abcdef"[digit];
                is_begun = true;
            }
        }
    }
    text[n] = '\0';
    return n;
}

/* Splits "address/length"; *prefix_len is `max` when there is no slash. */
static rsec_status split_prefix(const char *text, size_t len, unsigned max, size_t *addr_len, unsigned *prefix_len) {
    const char *slash = memchr(text, '/', len);
    *addr_len = slash != NULL ? (size_t)(slash - text) : len;
    *prefix_len = max;
    if (slash == NULL) {
        return RSEC_OK;
    }
    size_t off = *addr_len + 1;
    rsec_status status = read_decimal(text, len, &off, max, prefix_len);
    return status == RSEC_OK && off == len ? RSEC_OK : RSEC_ATTR_VALUE;
}

/* How many ones a mask begins with; RSEC_ATTR_VALUE when others follow the first zero. */
static rsec_status count_ones(uint32_t mask, unsigned *num) {
    for (*num = 0; mask >> 31 != 0; mask <<= 1) {
        ++*num;
    }
    return mask == 0 ? RSEC_OK : RSEC_ATTR_VALUE;
}

/* The same with "address/255.255.0.0", or with the host's bits instead of the network's: "address/0.0.255.255". */
static rsec_status split_ipv4_prefix(const char *text, size_t len, size_t *addr_len, unsigned *prefix_len) {
    const char *slash = memchr(text, '/', len);
    uint8_t octets[4];
    if (slash == NULL || rsec_ipv4_parse(slash + 1, len - (size_t)(slash + 1 - text), octets) != RSEC_OK) {
        return split_prefix(text, len, 32, addr_len, prefix_len);
    }
    uint32_t mask = rsec_get_u32(octets);
    *addr_len = (size_t)(slash - text);
    return count_ones(mask, prefix_len) == RSEC_OK ? RSEC_OK : count_ones(~mask, prefix_len);
}

static void clear_host_bits(uint8_t *addr, size_t addr_len, unsigned prefix_len) {
    for (size_t i = 0; i < addr_len; i++) {
        size_t first_bit = 8 * i;
        if (first_bit >= prefix_len) {
            addr[i] = 0;
        } else if (prefix_len - first_bit < 8) {
            addr[i] &= (uint8_t)(0xff00U >> (prefix_len - first_bit));
        }
    }
}

rsec_status rsec_ipv4_prefix_parse(const char *text, size_t len, uint8_t octets[6]) {
    size_t addr_len;
    unsigned prefix_len;
    if (split_ipv4_prefix(text, len, &addr_len, &prefix_len) != RSEC_OK ||
        rsec_ipv4_parse(text, addr_len, octets + 2) != RSEC_OK) {
        return RSEC_ATTR_VALUE;
    }
    octets[0] = 0;
    octets[1] = (uint8_t)prefix_len;
    clear_host_bits(octets + 2, 4, prefix_len);
    return RSEC_OK;
}

rsec_status rsec_ipv4_prefix_format(rsec_view octets, char text[RSEC_IPV4_PREFIX_TEXT], size_t *len) {
    *len = 0;
    if (octets.len < 2 || octets.len > 6 || octets.ptr[1] > 32) {
        return RSEC_ATTR_VALUE;
    }
    uint8_t addr[4] = {0};
    memcpy(addr, octets.ptr + 2, octets.len - 2);
    clear_host_bits(addr, 4, octets.ptr[1]);
    size_t n = rsec_ipv4_format(addr, text);
    text[n++] = '/';
    n += write_decimal(octets.ptr[1], text + n);
    text[n] = '\0';
    *len = n;
    return RSEC_OK;
}

rsec_status rsec_ipv6_prefix_parse(const char *text, size_t len, uint8_t octets[18]) {
    size_t addr_len;
    unsigned prefix_len;
    if (split_prefix(text, len, 128, &addr_len, &prefix_len) != RSEC_OK ||
        rsec_ipv6_parse(text, addr_len, octets + 2) != RSEC_OK) {
        return RSEC_ATTR_VALUE;
    }
    octets[0] = 0;
    octets[1] = (uint8_t)prefix_len;
    clear_host_bits(octets + 2, 16, prefix_len);
    return RSEC_OK;
}

rsec_status rsec_ipv6_prefix_format(rsec_view octets, char text[RSEC_IPV6_PREFIX_TEXT], size_t *len) {
    *len = 0;
    if (octets.len == 1 || octets.len > 18 || (octets.len >= 2 && octets.ptr[1] > 128)) {
        return RSEC_ATTR_VALUE;
    }
    uint8_t addr[16] = {0};
    unsigned prefix_len = octets.len >= 2 ? octets.ptr[1] : 0;
    if (octets.len > 2) {
        memcpy(addr, octets.ptr + 2, octets.len - 2);
    }
    clear_host_bits(addr, 16, prefix_len);
    size_t n = rsec_ipv6_format(addr, text);
    text[n++] = '/';
    n += write_decimal(prefix_len, text + n);
    text[n] = '\0';
    *len = n;
    return RSEC_OK;
}
