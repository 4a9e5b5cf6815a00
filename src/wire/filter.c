#include "wire/filter.h"

#include "wire/value.h"

#include <string.h>

/* Where things are: family, action, direction, 0, source, destination, their prefix lengths, protocol, 0, both ports, both
 * comparisons, ten zeros. The addresses have 4 or 16 octets each. */
enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 3 };

typedef enum { FAMILY, ACTION, DIRECTION, PROTO, SPORT, DPORT, SPORTQ, DPORTQ, SRC, DST, KEYS } key;

static const char *const key_names[KEYS] = {"family", "action", "direction", "proto", "sport",
                                            "dport",  "sportq", "dportq",    "src",   "dst"};

static const struct {
    key key;
    const char *word;
    uint8_t value;
} choices[] = {
    {FAMILY, "ipv4", FAMILY_IPV4}, {FAMILY, "ipv6", FAMILY_IPV6}, {ACTION, "discard", 0}, {ACTION, "accept", 1},
    {ACTION, "redirect", 0x20},    {DIRECTION, "in", 1},          {DIRECTION, "out", 0},
};

typedef struct {
    unsigned numbers[SRC]; /* by key, those before SRC */
    rsec_view networks[2], words[2];
} filter;

static bool is_text(rsec_view octets, const char *text) {
    return octets.len == strlen(text) && memcmp(octets.ptr, text, octets.len) == 0;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word at *off, moved behind it; empty at the end. */
static rsec_view next_word(const char *text, size_t len, size_t *off) {
    while (*off < len && is_blank(text[*off])) {
        (*off)++;
    }
    size_t start = *off;
    while (*off < len && !is_blank(text[*off])) {
        (*off)++;
    }
    return rsec_view_of(text + start, *off - start);
}

static rsec_filter_fault read_number(rsec_view text, unsigned most, unsigned *number) {
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return RSEC_FILTER_NUMBER;
        }
        *number = *number * 10 + (unsigned)(text.ptr[i] - '0');
        if (*number > most) {
            return RSEC_FILTER_NUMBER;
        }
    }
    return text.len > 0 ? RSEC_FILTER_GOOD : RSEC_FILTER_NUMBER;
}

static rsec_filter_fault read_word(filter *found, rsec_view word) {
    const uint8_t *equals = word.len > 0 ? memchr(word.ptr, '=', word.len) : NULL;
    if (equals == NULL) {
        return RSEC_FILTER_WORD;
    }
    rsec_view name = rsec_view_of(word.ptr, (size_t)(equals - word.ptr));
    rsec_view value = rsec_view_of(equals + 1, word.len - name.len - 1);
    unsigned which = 0;
    while (which < KEYS && !is_text(name, key_names[which])) {
        which++;
    }
    switch (which) {
    case FAMILY:
    case ACTION:
    case DIRECTION:
        for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
            if (choices[i].key == which && is_text(value, choices[i].word)) {
                found->numbers[which] = choices[i].value;
                return RSEC_FILTER_GOOD;
            }
        }
        return RSEC_FILTER_CHOICE;
    case PROTO:
    case SPORTQ:
    case DPORTQ:
        return read_number(value, 0xff, &found->numbers[which]);
    case SPORT:
    case DPORT:
        return read_number(value, 0xffff, &found->numbers[which]);
    case SRC:
    case DST:
        found->networks[which - SRC] = value; /* read at the end, when the family is known */
        found->words[which - SRC] = word;
        return RSEC_FILTER_GOOD;
    default:
        return RSEC_FILTER_WORD;
    }
}

/* The network's address at `addr` and its prefix length, both cleared when none is given. */
static rsec_filter_fault read_network(rsec_view text, size_t addr_len, uint8_t *addr, uint8_t *prefix_len) {
    uint8_t prefix[18], whole[16];
    memset(addr, 0, addr_len);
    *prefix_len = 0;
    if (text.ptr == NULL) {
        return RSEC_FILTER_GOOD;
    }
    const char *chars = (const char *)text.ptr;
    const uint8_t *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - text.ptr) : text.len;
    rsec_status status = addr_len == 4 ? rsec_ipv4_prefix_parse(chars, text.len, prefix)
                                       : rsec_ipv6_prefix_parse(chars, text.len, prefix);
    if (status != RSEC_OK) {
        return RSEC_FILTER_NETWORK;
    }
    status = addr_len == 4 ? rsec_ipv4_parse(chars, len, whole) : rsec_ipv6_parse(chars, len, whole);
    if (status != RSEC_OK || memcmp(whole, prefix + 2, addr_len) != 0) {
        return RSEC_FILTER_NETWORK;
    }
    memcpy(addr, whole, addr_len);
    *prefix_len = prefix[1];
    return RSEC_FILTER_GOOD;
}

rsec_status rsec_filter_parse(const char *text, size_t text_len, uint8_t octets[RSEC_FILTER_MAX], size_t *len,
                              rsec_filter_fault *fault, rsec_view *word) {
    filter found = {.numbers = {[FAMILY] = FAMILY_IPV4, [DIRECTION] = 1}};
    size_t off = 0;
    *len = 0;
    *word = next_word(text, text_len, &off);
    *fault = word->len == 0 ? RSEC_FILTER_EMPTY : RSEC_FILTER_GOOD;
    if (is_text(*word, "delete") && next_word(text, text_len, &off).len == 0) {
        memset(octets, 0, 8);
        *len = 8;
        return RSEC_OK;
    }
    for (off = 0; *fault == RSEC_FILTER_GOOD; *fault = read_word(&found, *word)) {
        rsec_view next = next_word(text, text_len, &off);
        if (next.len == 0) {
            break;
        }
        *word = next;
    }
    if (*fault != RSEC_FILTER_GOOD) {
        return RSEC_ATTR_VALUE;
    }
    size_t addr_len = found.numbers[FAMILY] == FAMILY_IPV6 ? 16 : 4;
    uint8_t *tail = octets + 4 + 2 * addr_len;
    memset(octets, 0, RSEC_FILTER_MAX);
    for (size_t i = 0; i < 2; i++) {
        *word = found.words[i];
        *fault = read_network(found.networks[i], addr_len, octets + 4 + i * addr_len, tail + i);
        if (*fault != RSEC_FILTER_GOOD) {
            return RSEC_ATTR_VALUE;
        }
    }
    octets[0] = (uint8_t)found.numbers[FAMILY];
    octets[1] = (uint8_t)found.numbers[ACTION];
    octets[2] = (uint8_t)found.numbers[DIRECTION];
    tail[2] = (uint8_t)found.numbers[PROTO];
    rsec_put_u16(tail + 4, (uint16_t)found.numbers[SPORT]);
    rsec_put_u16(tail + 6, (uint16_t)found.numbers[DPORT]);
    tail[8] = (uint8_t)found.numbers[SPORTQ];
    tail[9] = (uint8_t)found.numbers[DPORTQ];
    *len = 24 + 2 * addr_len;
    return RSEC_OK;
}
