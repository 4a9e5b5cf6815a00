/* Fingerprints as text (crypto/fingerprint.h, TLS-5). */
#include "fuzz.h"
#include "crypto/fingerprint.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t found[RSEC_FINGERPRINT_LEN], again[RSEC_FINGERPRINT_LEN];
    char text[RSEC_FINGERPRINT_TEXT];
    rsec_status status = rsec_fingerprint_parse((const char *)data, size, found);
    MUST(status == RSEC_OK || status == RSEC_ATTR_VALUE);
    if (status == RSEC_OK) {
        rsec_fingerprint_format(found, text);
        MUST(strlen(text) == 64);
        MUST(rsec_fingerprint_parse(text, 64, again) == RSEC_OK && memcmp(found, again, sizeof found) == 0);
        rsec_pins *pins = rsec_pins_new(found, 1);
        MUST(pins != NULL && rsec_pins_has(pins, again));
        again[0] ^= 1;
        MUST(!rsec_pins_has(pins, again));
        rsec_pins_unref(pins);
    }
    return 0;
}
