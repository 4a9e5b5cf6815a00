#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

struct rsec_md {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
    EVP_MD *md5;
};

enum { MD5_BLOCK = 64, KEPT_KEY_MAX = 256 };

struct rsec_digest {
    const rsec_md *md;
    EVP_MD_CTX *md5;
    /* HMAC (RFC 2104): MD5 behind the first block of the inner and of the outer digest. Copies of these go on from there,
     * which takes two blocks less than starting afresh, and less than OpenSSL's own HMAC, which has one more layer. */
    EVP_MD_CTX *inner, *outer;
    /* The key that they are set up with: most servers have one secret. */
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
    if (made->md5 == NULL) {
        goto done;
    }
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
    made->inner = EVP_MD_CTX_new();
    made->outer = EVP_MD_CTX_new();
    if (made->md5 == NULL || made->inner == NULL || made->outer == NULL) {
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
    EVP_MD_CTX_free(digest->inner);
    EVP_MD_CTX_free(digest->outer);
    OPENSSL_cleanse(digest, sizeof *digest);
    free(digest);
}

static bool update(EVP_MD_CTX *ctx, const rsec_view *parts, size_t num) {
    for (size_t i = 0; i < num; i++) {
        if (parts[i].len > 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1) {
            return false;
        }
    }
    return true;
}

rsec_status rsec_digest_md5(rsec_digest *digest, const rsec_view *parts, size_t num,
                            uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    return EVP_DigestInit_ex2(digest->md5, digest->md->md5, NULL) == 1 && update(digest->md5, parts, num) &&
                   EVP_DigestFinal_ex(digest->md5, out, NULL) == 1
               ? RSEC_OK
               : RSEC_CRYPTO;
}

/* Starts a digest with the block of the key and `pad` (RFC 2104 §2). */
static bool start(rsec_digest *digest, EVP_MD_CTX *ctx, const uint8_t key[MD5_BLOCK], uint8_t pad) {
    uint8_t block[MD5_BLOCK];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = key[i] ^ pad;
    }
    bool is_good = EVP_DigestInit_ex2(ctx, digest->md->md5, NULL) == 1 &&
                   EVP_DigestUpdate(ctx, block, sizeof block) == 1;
    OPENSSL_cleanse(block, sizeof block);
    return is_good;
}

/* Readies `inner` and `outer` for messages under `key`. */
static bool set_key(rsec_digest *digest, rsec_view key) {
    if (digest->has_key && key.len == digest->key_len && CRYPTO_memcmp(key.ptr, digest->key, key.len) == 0) {
        return true;
    }
    uint8_t block[MD5_BLOCK] = {0};
    bool is_good = true;
    digest->has_key = false;
    if (key.len > sizeof block) {
        is_good = rsec_digest_md5(digest, &key, 1, block) == RSEC_OK;
    } else if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    is_good = is_good && start(digest, digest->inner, block, 0x36) && start(digest, digest->outer, block, 0x5c);
    OPENSSL_cleanse(block, sizeof block);
    if (is_good && key.len > 0 && key.len <= KEPT_KEY_MAX) {
        OPENSSL_cleanse(digest->key, sizeof digest->key);
        memcpy(digest->key, key.ptr, key.len);
        digest->key_len = key.len;
        digest->has_key = true;
    }
    return is_good;
}

rsec_status rsec_digest_hmac_md5(rsec_digest *digest, rsec_view key, const rsec_view *parts, size_t num,
                                 uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    EVP_MD_CTX *ctx = digest->md5;
    uint8_t inner[RSEC_AUTHENTICATOR_LEN];
    return set_key(digest, key) && EVP_MD_CTX_copy_ex(ctx, digest->inner) == 1 && update(ctx, parts, num) &&
                   EVP_DigestFinal_ex(ctx, inner, NULL) == 1 && EVP_MD_CTX_copy_ex(ctx, digest->outer) == 1 &&
                   EVP_DigestUpdate(ctx, inner, sizeof inner) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1
               ? RSEC_OK
               : RSEC_CRYPTO;
}

bool rsec_digest_is_equal(const uint8_t a[RSEC_AUTHENTICATOR_LEN], const uint8_t b[RSEC_AUTHENTICATOR_LEN]) {
    return CRYPTO_memcmp(a, b, RSEC_AUTHENTICATOR_LEN) == 0;
}
