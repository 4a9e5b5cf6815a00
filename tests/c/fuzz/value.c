/* Value codecs (wire/value.h): what is read is written as text that reads the same. The first octet is the codec. */
#include "fuzz.h"
#include "wire/value.h"

#include <string.h>

enum { CODECS = 7 };

/* Text to octets with codec `which`; *len is what it wrote. */
static rsec_status parse(unsigned which, const char *text, size_t text_len, uint8_t octets[4096], size_t *len) {
    static const size_t lens[CODECS] = {4, 16, 6, 18, 8, 6, 4096};
    *len = lens[which];
    switch (which) {
    case 0:
        return rsec_ipv4_parse(text, text_len, octets);
    case 1:
        return rsec_ipv6_parse(text, text_len, octets);
    case 2:
        return rsec_ipv4_prefix_parse(text, text_len, octets);
    case 3:
        return rsec_ipv6_prefix_parse(text, text_len, octets);
    case 4:
        return rsec_ifid_parse(text, text_len, octets);
    case 5:
        return rsec_ether_parse(text, text_len, octets);
    default:
        return rsec_hex_parse(text, text_len, octets, len);
    }
}

static size_t format(unsigned which, rsec_view octets, char *text) {
    size_t len = 0;
    switch (which) {
    case 0:
        return rsec_ipv4_format(octets.ptr, text);
    case 1:
        return rsec_ipv6_format(octets.ptr, text);
    case 2:
        MUST(rsec_ipv4_prefix_format(octets, text, &len) == RSEC_OK);
        return len;
    case 3:
        MUST(rsec_ipv6_prefix_format(octets, text, &len) == RSEC_OK);
        return len;
    case 4:
        return rsec_ifid_format(octets.ptr, text);
    case 5:
        return rsec_ether_format(octets.ptr, text);
    default:
        return rsec_hex_format(octets, text);
    }
}

/* Buffers of exactly the promised sizes, on the heap for the address sanitizer. */
static void check_text(unsigned which, rsec_view octets) {
    static const size_t texts[CODECS] = {RSEC_IPV4_TEXT,
                                         RSEC_IPV6_TEXT,
                                         RSEC_IPV4_PREFIX_TEXT,
                                         RSEC_IPV6_PREFIX_TEXT,
                                         RSEC_IFID_TEXT,
                                         RSEC_ETHER_TEXT,
                                         0};
    size_t cap = which == 6 ? 2 * octets.len + 1 : texts[which], again_len;
    char *text = malloc(cap);
    uint8_t *again = malloc(4096);
    MUST(text != NULL && again != NULL);
    size_t len = format(which, octets, text);
    MUST(len < cap && text[len] == '\0' && strlen(text) == len);
    MUST(parse(which, text, len, again, &again_len) == RSEC_OK);
    MUST(again_len == octets.len && memcmp(again, octets.ptr, again_len) == 0);
    free(text);
    free(again);
}

/* Prefixes as they come from a peer: any length, any prefix length, host bits set. */
static void check_prefix(bool is_ipv6, rsec_view octets) {
    char text[RSEC_IPV6_PREFIX_TEXT];
    uint8_t again[18];
    size_t len;
    rsec_status status = is_ipv6 ? rsec_ipv6_prefix_format(octets, text, &len)
                                 : rsec_ipv4_prefix_format(octets, text, &len);
    MUST(status == RSEC_OK || (status == RSEC_ATTR_VALUE && len == 0));
    if (status == RSEC_OK) {
        MUST(strlen(text) == len);
        MUST((is_ipv6 ? rsec_ipv6_prefix_parse(text, len, again) : rsec_ipv4_prefix_parse(text, len, again)) ==
             RSEC_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t octets[4096];
    rsec_view rest = rsec_view_of(data, size);
    unsigned which = fuzz_octet(&rest) % CODECS;
    size_t len;
    if (rest.len == 0) {
        return 0;
    }
    rsec_status status = parse(which, (const char *)rest.ptr, rest.len, octets, &len);
    MUST(status == RSEC_OK || status == RSEC_ATTR_VALUE || (which == 6 && status == RSEC_TOO_LONG));
    if (status == RSEC_OK) {
        check_text(which, rsec_view_of(octets, len));
    }
    static const size_t sizes[CODECS] = {4, 16, 0, 0, 8, 6, 0};
    if (which == 2 || which == 3) {
        check_prefix(which == 3, rest);
    } else if (which < 6 && rest.len >= sizes[which]) {
        check_text(which, rsec_view_part(rest, 0, sizes[which]));
    }
    (void)rsec_utf8_is_valid(rest);
    return 0;
}
