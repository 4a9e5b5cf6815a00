#include "crypto/fingerprint.h"

#include "wire/value.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

rsec_status rsec_fingerprint_of(rsec_view der, uint8_t out[RSEC_FINGERPRINT_LEN]) {
    unsigned len = 0;
    return EVP_Digest(der.ptr, der.len, out, &len, EVP_sha256(), NULL) == 1 && len == RSEC_FINGERPRINT_LEN
               ? RSEC_OK
               : RSEC_CRYPTO;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool has_prefix(const char *text, size_t len) {
    static const char prefix[] = "sha256:";
    size_t num = sizeof prefix - 1;
    for (size_t i = 0; i < num; i++) {
        int c = i < len ? text[i] : 0;
        if (c >= 'A' && c <= 'Z') {
            c += 'a' - 'A';
        }
        if (c != prefix[i]) {
            return false;
        }
    }
    return true;
}

rsec_status rsec_fingerprint_parse(const char *text, size_t len, uint8_t out[RSEC_FINGERPRINT_LEN]) {
    memset(out, 0, RSEC_FINGERPRINT_LEN);
    size_t off = 0, digits = 0;
    while (off < len && is_blank(text[off])) {
        off++;
    }
    off += has_prefix(text + off, len - off) ? 7 : 0;
    for (; off < len; off++) {
        int digit = rsec_hex_digit(text[off]);
        if (text[off] == ':' || is_blank(text[off])) {
            continue;
        }
        if (digit < 0 || digits == 2 * (size_t)RSEC_FINGERPRINT_LEN) {
            return RSEC_ATTR_VALUE;
        }
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | digit);
        digits++;
    }
    return digits == 2 * (size_t)RSEC_FINGERPRINT_LEN ? RSEC_OK : RSEC_ATTR_VALUE;
}

void rsec_fingerprint_format(const uint8_t fingerprint[RSEC_FINGERPRINT_LEN], char text[RSEC_FINGERPRINT_TEXT]) {
    (void)rsec_hex_format(rsec_view_of(fingerprint, RSEC_FINGERPRINT_LEN), text);
}

struct rsec_pins {
    atomic_uint refs;
    size_t num;
    uint8_t octets[];
};

rsec_pins *rsec_pins_new(const uint8_t *octets, size_t num) {
    if (num > (SIZE_MAX - sizeof(rsec_pins)) / RSEC_FINGERPRINT_LEN) {
        return NULL;
    }
    rsec_pins *pins = malloc(sizeof *pins + num * RSEC_FINGERPRINT_LEN);
    if (pins != NULL) {
        atomic_init(&pins->refs, 1);
        pins->num = num;
        if (num > 0) {
            memcpy(pins->octets, octets, num * RSEC_FINGERPRINT_LEN);
        }
    }
    return pins;
}

rsec_pins *rsec_pins_ref(rsec_pins *pins) {
    if (pins != NULL) {
        atomic_fetch_add_explicit(&pins->refs, 1, memory_order_relaxed);
    }
    return pins;
}

void rsec_pins_unref(rsec_pins *pins) {
    if (pins != NULL && atomic_fetch_sub_explicit(&pins->refs, 1, memory_order_acq_rel) == 1) {
        free(pins);
    }
}

bool rsec_pins_has(const rsec_pins *pins, const uint8_t fingerprint[RSEC_FINGERPRINT_LEN]) {
    unsigned found = 0;
    for (size_t i = 0; i < pins->num; i++) {
        found |= CRYPTO_memcmp(pins->octets + i * RSEC_FINGERPRINT_LEN, fingerprint, RSEC_FINGERPRINT_LEN) == 0;
    }
    return found != 0;
}
