/* Value codecs: the data types of RFC 8044 between octets and C values or text.
 *
 * Parsers of text take `text` of `len` octets, which need not end in a NUL. Formatters write text with a final NUL into
 * a buffer of the size named beside them and return its length without the NUL. No locale, no allocation, any thread.
 */
#ifndef RSEC_WIRE_VALUE_H
#define RSEC_WIRE_VALUE_H

#include "wire/status.h"
#include "wire/view.h"

#include <stdbool.h>

enum {
    RSEC_IPV4_TEXT = 16, /* "255.255.255.255" */
    RSEC_IPV6_TEXT = 40,
    RSEC_IPV4_PREFIX_TEXT = 19, /* RSEC_IPV4_TEXT and "/32" */
    RSEC_IPV6_PREFIX_TEXT = 44,
    RSEC_IFID_TEXT = 20,  /* "0000:0000:0000:0000" */
    RSEC_ETHER_TEXT = 18, /* "00:00:00:00:00:00" */
};

/* Dotted quad, four decimal numbers of 0..255 without leading zeros. RSEC_ATTR_VALUE for anything else. */
RSEC_CHECK rsec_status rsec_ipv4_parse(const char *text, size_t len, uint8_t octets[4]);
size_t rsec_ipv4_format(const uint8_t octets[4], char text[RSEC_IPV4_TEXT]);

/* RFC 4291 §2.2 text in, any case, with an embedded dotted quad allowed, a scope id ("%eth0") accepted and dropped;
 * RFC 5952 text out (lower case, longest run of zeros compressed, an IPv4-mapped address in mixed notation as Python
 * 3.13 has it: "::ffff:192.0.2.1"), the same on every platform. */
RSEC_CHECK rsec_status rsec_ipv6_parse(const char *text, size_t len, uint8_t octets[16]);
size_t rsec_ipv6_format(const uint8_t octets[16], char text[RSEC_IPV6_TEXT]);

/* "192.0.2.0/24" <-> reserved octet, prefix length, four octets of address (RFC 8044 §3.11). Host bits are zeroed; a
 * missing "/n" means 32. A mask, of the network's bits or the host's, may stand for n: "192.0.2.0/255.255.255.0". */
RSEC_CHECK rsec_status rsec_ipv4_prefix_parse(const char *text, size_t len, uint8_t octets[6]);
/* 2..6 octets, missing ones read as zero; RSEC_ATTR_VALUE for other lengths or a prefix length above 32. */
RSEC_CHECK rsec_status rsec_ipv4_prefix_format(rsec_view octets, char text[RSEC_IPV4_PREFIX_TEXT], size_t *len);

/* "2001:db8::/32" <-> reserved octet, prefix length, 0..16 octets of address (RFC 3162 §2.3). Always 18 octets out of
 * text; 2..18 octets (or 0: "::/0") into text. */
RSEC_CHECK rsec_status rsec_ipv6_prefix_parse(const char *text, size_t len, uint8_t octets[18]);
RSEC_CHECK rsec_status rsec_ipv6_prefix_format(rsec_view octets, char text[RSEC_IPV6_PREFIX_TEXT], size_t *len);

/* "0000:1111:2222:abcd": four groups of one to four hex digits <-> 8 octets, lower case, four digits a group. */
RSEC_CHECK rsec_status rsec_ifid_parse(const char *text, size_t len, uint8_t octets[8]);
size_t rsec_ifid_format(const uint8_t octets[8], char text[RSEC_IFID_TEXT]);

/* "00:11:22:aa:bb:cc", ":" or "-" between, one or two hex digits each <-> 6 octets, lower case, ":". */
RSEC_CHECK rsec_status rsec_ether_parse(const char *text, size_t len, uint8_t octets[6]);
size_t rsec_ether_format(const uint8_t octets[6], char text[RSEC_ETHER_TEXT]);

/* Whether `octets` are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool rsec_utf8_is_valid(rsec_view octets);

/* 0..15, or -1 for what is no hexadecimal digit. */
int rsec_hex_digit(char c);

/* "0x0a0B…" or "0a0B…" -> octets. *len is the capacity on entry and the octets written on return. RSEC_ATTR_VALUE: an
 * odd number of digits or something that is none; RSEC_TOO_LONG: no room. */
RSEC_CHECK rsec_status rsec_hex_parse(const char *text, size_t text_len, uint8_t *octets, size_t *len);
/* Writes 2 * octets.len lower-case digits and a NUL; returns the digits' count. `text` has room for them. */
size_t rsec_hex_format(rsec_view octets, char *text);

#endif
