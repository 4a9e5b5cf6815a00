/* Packet filters in Ascend's binary form (wire/filter.h). */
#include "check.h"
#include "wire/filter.h"

#include <stdlib.h>
#include <string.h>

static rsec_status parse(const char *text, uint8_t *octets, size_t *len, rsec_filter_fault *fault, rsec_view *word) {
    size_t text_len = strlen(text);
    char *exact = malloc(text_len + 1); /* without a NUL behind it, for the address sanitizer */
    CHECK(exact != NULL);
    memcpy(exact, text, text_len);
    char *tight = realloc(exact, text_len > 0 ? text_len : 1);
    CHECK(tight != NULL);
    rsec_status status = rsec_filter_parse(tight, text_len, octets, len, fault, word);
    word->ptr = word->len > 0 ? (const uint8_t *)text + (word->ptr - (const uint8_t *)tight) : NULL;
    free(tight);
    return status;
}

TEST(filter_of_every_field) {
    static const uint8_t expected[32] = {1, 0x20, 0, 0, 10, 0, 0, 0, 192, 0, 2, 0, 8, 24, 6, 0, 1, 2, 3, 4, 2, 3};
    uint8_t octets[RSEC_FILTER_MAX];
    size_t len;
    rsec_filter_fault fault;
    rsec_view word;
    CHECK_INT(parse(" dport=772\tsport=258 sportq=2 dportq=3 proto=6 dst=192.0.2.0/255.255.255.0 src=10.0.0.0/8\n"
                    "direction=out action=redirect family=ipv4 ",
                    octets, &len, &fault, &word),
              RSEC_OK);
    CHECK_OCTETS(octets, len, expected, sizeof expected);
    CHECK_INT(fault, RSEC_FILTER_GOOD);
}

TEST(filter_of_ipv6_wherever_the_family_stands) {
    uint8_t octets[RSEC_FILTER_MAX], expected[56] = {3, 1, 1, 0, [20] = 0x20, 0x01, 0x0d, 0xb8, [37] = 32};
    size_t len;
    rsec_filter_fault fault;
    rsec_view word;
    CHECK_INT(parse("dst=2001:db8::/32 family=ipv6 action=accept", octets, &len, &fault, &word), RSEC_OK);
    CHECK_OCTETS(octets, len, expected, sizeof expected);
}

TEST(filter_delete_and_defaults) {
    static const uint8_t zeros[8], defaults[32] = {1, 0, 1};
    uint8_t octets[RSEC_FILTER_MAX];
    size_t len;
    rsec_filter_fault fault;
    rsec_view word;
    CHECK_INT(parse("  delete ", octets, &len, &fault, &word), RSEC_OK);
    CHECK_OCTETS(octets, len, zeros, sizeof zeros);
    CHECK_INT(parse("action=accept action=discard", octets, &len, &fault, &word), RSEC_OK); /* the later one */
    CHECK_OCTETS(octets, len, defaults, sizeof defaults);
}

TEST(filter_says_which_word_it_does_not_take) {
    static const struct {
        const char *text;
        rsec_filter_fault fault;
        const char *word;
    } bad[] = {
        {"", RSEC_FILTER_EMPTY, ""},
        {" \n", RSEC_FILTER_EMPTY, ""},
        {"delete now", RSEC_FILTER_WORD, "delete"},
        {"action=accept colour=red", RSEC_FILTER_WORD, "colour=red"},
        {"action", RSEC_FILTER_WORD, "action"},
        {"=1", RSEC_FILTER_WORD, "=1"},
        {"protocol=6", RSEC_FILTER_WORD, "protocol=6"},
        {"family=ipx", RSEC_FILTER_CHOICE, "family=ipx"},
        {"action=", RSEC_FILTER_CHOICE, "action="},
        {"direction=accept", RSEC_FILTER_CHOICE, "direction=accept"},
        {"proto=tcp", RSEC_FILTER_NUMBER, "proto=tcp"},
        {"proto=", RSEC_FILTER_NUMBER, "proto="},
        {"proto=256", RSEC_FILTER_NUMBER, "proto=256"},
        {"sport=65536", RSEC_FILTER_NUMBER, "sport=65536"},
        {"sport=99999999999999999999", RSEC_FILTER_NUMBER, "sport=99999999999999999999"},
        {"sport=-1 dport=1", RSEC_FILTER_NUMBER, "sport=-1"},
        {"src=10.0.0.1/8 dport=1", RSEC_FILTER_NETWORK, "src=10.0.0.1/8"},
        {"src=", RSEC_FILTER_NETWORK, "src="},
        {"dst=2001:db8::/32", RSEC_FILTER_NETWORK, "dst=2001:db8::/32"},
        {"dst=10.0.0.0/8 family=ipv6", RSEC_FILTER_NETWORK, "dst=10.0.0.0/8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[RSEC_FILTER_MAX];
        size_t len = 1;
        rsec_filter_fault fault;
        rsec_view word;
        check_int(parse(bad[i].text, octets, &len, &fault, &word), RSEC_ATTR_VALUE, bad[i].text, __FILE__, __LINE__);
        check_int(fault, bad[i].fault, bad[i].text, __FILE__, __LINE__);
        CHECK_OCTETS(word.ptr, word.len, bad[i].word, strlen(bad[i].word));
        CHECK_INT(len, 0);
    }
}
