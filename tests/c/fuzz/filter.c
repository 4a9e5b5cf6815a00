/* Packet filters (wire/filter.h): a text is refused with a word that lies in it, or makes a filter that is well-formed. */
#include "fuzz.h"
#include "wire/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *octets = malloc(RSEC_FILTER_MAX); /* on the heap for the address sanitizer */
    size_t len = SIZE_MAX;
    rsec_filter_fault fault;
    rsec_view word;
    MUST(octets != NULL);
    rsec_status status = rsec_filter_parse((const char *)data, size, octets, &len, &fault, &word);
    if (status == RSEC_OK) {
        MUST(fault == RSEC_FILTER_GOOD && (len == 8 || len == 32 || len == 56));
        if (len > 8) {
            size_t addr_len = (len - 24) / 2;
            const uint8_t *tail = octets + 4 + 2 * addr_len;
            MUST(octets[0] == (addr_len == 16 ? 3 : 1) && octets[3] == 0 && octets[2] <= 1);
            MUST(octets[1] <= 1 || octets[1] == 0x20);
            MUST(tail[0] <= 8 * addr_len && tail[1] <= 8 * addr_len && tail[3] == 0);
            for (size_t i = 10; i < 20; i++) {
                MUST(tail[i] == 0);
            }
        }
    } else {
        MUST(status == RSEC_ATTR_VALUE && len == 0 && fault != RSEC_FILTER_GOOD);
        MUST((word.len == 0) == (fault == RSEC_FILTER_EMPTY));
        MUST(word.len == 0 || (word.ptr >= data && word.ptr + word.len <= data + size));
    }
    free(octets);
    return 0;
}
