#include "crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

struct rsec_md {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
    EVP_MD *md5;
    EVP_MAC *hmac;
    bool can_reset; /* EVP_MAC_init without a key starts a new message under the same one */
};

enum { KEPT_KEY_MAX = 256 };

struct rsec_digest {
    const rsec_md *md;
    EVP_MD_CTX *md5;
    EVP_MAC_CTX *hmac;
    /* The key that `hmac` is set up with: most servers have one secret, and setting up costs as much as a packet. */
    uint8_t key[KEPT_KEY_MAX];
    size_t key_len;
    bool has_key;
};

rsec_status rsec_md_new(rsec_md **md) {
    rsec_status status = RSEC_NO_MEMORY;
    rsec_md *made = calloc(1, sizeof *made);
    *md = NULL;
    if (made == NULL) {
        goto done;
    }
    made->libctx = OSSL_LIB_CTX_new();
    if (made->libctx == NULL) {
        goto done;
    }
    status = RSEC_CRYPTO;
    made->provider = OSSL_PROVIDER_load(made->libctx, "default");
    if (made->provider == NULL) {
        goto done;
    }
    made->md5 = EVP_MD_fetch(made->libctx, "MD5", NULL);
    made->hmac = EVP_MAC_fetch(made->libctx, "HMAC", NULL);
    if (made->md5 == NULL || made->hmac == NULL) {
        goto done;
    }
    made->can_reset = OpenSSL_version_num() >= 0x30000030UL;
    *md = made;
    made = NULL;
    status = RSEC_OK;
done:
    rsec_md_free(made);
    return status;
}

void rsec_md_free(rsec_md *md) {
    if (md == NULL) {
        return;
    }
    EVP_MAC_free(md->hmac);
    EVP_MD_free(md->md5);
    if (md->provider != NULL) {
        (void)OSSL_PROVIDER_unload(md->provider);
    }
    OSSL_LIB_CTX_free(md->libctx);
    free(md);
}

rsec_status rsec_digest_new(const rsec_md *md, rsec_digest **digest) {
    rsec_digest *made = calloc(1, sizeof *made);
    *digest = NULL;
    if (made == NULL) {
        return RSEC_NO_MEMORY;
    }
    made->md = md;
    made->md5 = EVP_MD_CTX_new();
    made->hmac = EVP_MAC_CTX_new(md->hmac);
    if (made->md5 == NULL || made->hmac == NULL) {
        rsec_digest_free(made);
        return RSEC_NO_MEMORY;
    }
    *digest = made;
    return RSEC_OK;
}

void rsec_digest_free(rsec_digest *digest) {
    if (digest == NULL) {
        return;
    }
    EVP_MD_CTX_free(digest->md5);
    EVP_MAC_CTX_free(digest->hmac);
    OPENSSL_cleanse(digest, sizeof *digest);
    free(digest);
}

rsec_status rsec_digest_md5(rsec_digest *digest, const rsec_view *parts, size_t num,
                            uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    if (EVP_DigestInit_ex2(digest->md5, digest->md->md5, NULL) != 1) {
        return RSEC_CRYPTO;
    }
    for (size_t i = 0; i < num; i++) {
        if (parts[i].len > 0 && EVP_DigestUpdate(digest->md5, parts[i].ptr, parts[i].len) != 1) {
            return RSEC_CRYPTO;
        }
    }
    return EVP_DigestFinal_ex(digest->md5, out, NULL) == 1 ? RSEC_OK : RSEC_CRYPTO;
}

/* Readies `hmac` for a message under `key`. */
static bool set_key(rsec_digest *digest, rsec_view key) {
    /* OpenSSL before 3.0.3 takes a missing key for "nothing to do" and goes on with the finished state. */
    if (digest->has_key && digest->md->can_reset && key.len == digest->key_len &&
        CRYPTO_memcmp(key.ptr, digest->key, key.len) == 0) {
        return EVP_MAC_init(digest->hmac, NULL, 0, NULL) == 1;
    }
    static const uint8_t nothing[1] = {0};
    char name[] = "MD5";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                 OSSL_PARAM_construct_end()};
    digest->has_key = false;
    /* A NULL key would mean "the one before": an empty secret is a key of no octets. */
    if (EVP_MAC_init(digest->hmac, key.len > 0 ? key.ptr : nothing, key.len, params) != 1) {
        return false;
    }
    if (key.len > 0 && key.len <= KEPT_KEY_MAX) {
        OPENSSL_cleanse(digest->key, sizeof digest->key);
        memcpy(digest->key, key.ptr, key.len);
        digest->key_len = key.len;
        digest->has_key = true;
    }
    return true;
}

rsec_status rsec_digest_hmac_md5(rsec_digest *digest, rsec_view key, const rsec_view *parts, size_t num,
                                 uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    if (!set_key(digest, key)) {
        return RSEC_CRYPTO;
    }
    for (size_t i = 0; i < num; i++) {
        if (parts[i].len > 0 && EVP_MAC_update(digest->hmac, parts[i].ptr, parts[i].len) != 1) {
            return RSEC_CRYPTO;
        }
    }
    size_t len = 0;
    return EVP_MAC_final(digest->hmac, out, &len, RSEC_AUTHENTICATOR_LEN) == 1 ? RSEC_OK : RSEC_CRYPTO;
}

bool rsec_digest_is_equal(const uint8_t a[RSEC_AUTHENTICATOR_LEN], const uint8_t b[RSEC_AUTHENTICATOR_LEN]) {
    return CRYPTO_memcmp(a, b, RSEC_AUTHENTICATOR_LEN) == 0;
}
