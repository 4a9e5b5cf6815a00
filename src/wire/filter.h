/* Packet filters in Ascend's binary form, which the dictionaries call "abinary", out of their text. */
#ifndef RSEC_WIRE_FILTER_H
#define RSEC_WIRE_FILTER_H

#include "wire/status.h"
#include "wire/view.h"

enum { RSEC_FILTER_MAX = 56 }; /* octets of an IPv6 filter; an IPv4 filter has 32, "delete" has 8 */

/* What a filter's text stumbled over. */
typedef enum {
    RSEC_FILTER_GOOD,
    RSEC_FILTER_EMPTY,
    RSEC_FILTER_WORD,    /* no key=value that filters know, or "delete" beside other words */
    RSEC_FILTER_CHOICE,  /* family, action or direction: none of its words */
    RSEC_FILTER_NUMBER,  /* no decimal number, or one too big for its field */
    RSEC_FILTER_NETWORK, /* no network of the filter's family, or one with host bits set */
} rsec_filter_fault;

/* "family=ipv4|ipv6 action=discard|accept|redirect direction=in|out src=NETWORK dst=NETWORK proto=N sport=N dport=N
 * sportq=N dportq=N", in any order with blanks between, or "delete". What is left out is the first of its kind, or 0, which
 * matches anything. A later word of a key replaces an earlier one.
 *
 * Writes *len octets (8, 32 or 56). RSEC_ATTR_VALUE: *fault says why and *word, which lies in `text`, where. No locale, no
 * allocation. */
RSEC_CHECK rsec_status rsec_filter_parse(const char *text, size_t text_len, uint8_t octets[RSEC_FILTER_MAX],
                                         size_t *len, rsec_filter_fault *fault, rsec_view *word);

#endif
