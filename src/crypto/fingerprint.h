/* SHA-256 certificate fingerprints and the set of those a server or client accepts (TLS-5). A pin narrows the trust that
 * PKIX gives, it never replaces it.
 */
#ifndef RSEC_CRYPTO_FINGERPRINT_H
#define RSEC_CRYPTO_FINGERPRINT_H

#include "wire/status.h"
#include "wire/view.h"

enum { RSEC_FINGERPRINT_LEN = 32, RSEC_FINGERPRINT_TEXT = 65 };

/* SHA-256 over a certificate in DER. RSEC_CRYPTO when libcrypto refuses. */
RSEC_CHECK rsec_status rsec_fingerprint_of(rsec_view der, uint8_t out[RSEC_FINGERPRINT_LEN]);

/* "sha256:AB:CD…", hex in either case, colons and blanks anywhere. RSEC_ATTR_VALUE unless 64 digits are left. */
RSEC_CHECK rsec_status rsec_fingerprint_parse(const char *text, size_t len, uint8_t out[RSEC_FINGERPRINT_LEN]);
/* 64 lower-case digits and a NUL. */
void rsec_fingerprint_format(const uint8_t fingerprint[RSEC_FINGERPRINT_LEN], char text[RSEC_FINGERPRINT_TEXT]);

/* An immutable, counted set (atomic count, any thread). */
typedef struct rsec_pins rsec_pins;

/* A set of `num` fingerprints, 32 octets each, one after the other at `octets` (copied). NULL: no memory. */
RSEC_CHECK rsec_pins *rsec_pins_new(const uint8_t *octets, size_t num);
rsec_pins *rsec_pins_ref(rsec_pins *pins);
void rsec_pins_unref(rsec_pins *pins);

/* Whether `fingerprint` is in the set. Looks at every member, each in constant time. */
bool rsec_pins_has(const rsec_pins *pins, const uint8_t fingerprint[RSEC_FINGERPRINT_LEN]);

#endif
