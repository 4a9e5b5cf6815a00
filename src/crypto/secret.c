#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct rsec_secret {
    atomic_uint refs;
    size_t len;
    uint8_t octets[];
};

rsec_secret *rsec_secret_new(rsec_view octets) {
    rsec_secret *secret = malloc(sizeof *secret + octets.len);
    if (secret == NULL) {
        return NULL;
    }
    atomic_init(&secret->refs, 1);
    secret->len = octets.len;
    if (octets.len > 0) {
        memcpy(secret->octets, octets.ptr, octets.len);
    }
    return secret;
}

rsec_secret *rsec_secret_ref(rsec_secret *secret) {
    if (secret != NULL) {
        atomic_fetch_add_explicit(&secret->refs, 1, memory_order_relaxed);
    }
    return secret;
}

void rsec_secret_unref(rsec_secret *secret) {
    if (secret != NULL && atomic_fetch_sub_explicit(&secret->refs, 1, memory_order_acq_rel) == 1) {
        OPENSSL_cleanse(secret->octets, secret->len);
        free(secret);
    }
}

rsec_view rsec_secret_octets(const rsec_secret *secret) {
    return rsec_view_of(secret->octets, secret->len);
}

bool rsec_secret_is_equal(const rsec_secret *secret, rsec_view octets) {
    return secret->len == octets.len && (octets.len == 0 || CRYPTO_memcmp(secret->octets, octets.ptr, octets.len) == 0);
}
