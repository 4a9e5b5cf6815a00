/* MD5_Init() and its like are deprecated since OpenSSL 3.0 in favour of EVP: see digest.h for why they are used all the same. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <stdlib.h>
#include <string.h>

#ifdef OPENSSL_NO_DEPRECATED_3_0
#error "this OpenSSL was built without the functions that it deprecates (no-deprecated): MD5_Init() is needed"
#endif

enum { KEPT_KEY_MAX = 256, GATHERED = 512 };

struct rsec_digest {
    MD5_CTX md5;
    /* HMAC (RFC 2104): MD5 behind the first block of the inner and of the outer digest. Copies of these go on from there, which takes
     * two blocks less than starting afresh. */
    MD5_CTX inner, outer;
    /* The key that they are set up with: most servers have one secret. */
    uint8_t key[KEPT_KEY_MAX];
    size_t key_len;
    bool has_key;
    uint8_t gathered[GATHERED]; /* short parts of a message, that they go to OpenSSL together */
};

rsec_status rsec_digest_new(rsec_digest **digest) {
    *digest = calloc(1, sizeof **digest);
    return *digest != NULL ? RSEC_OK : RSEC_NO_MEMORY;
}

void rsec_digest_free(rsec_digest *digest) {
    if (digest == NULL) {
        return;
    }
    OPENSSL_cleanse(digest, sizeof *digest);
    free(digest);
}

/* Takes `parts` into digest->md5. */
static bool update(rsec_digest *digest, const rsec_view *parts, size_t num) {
    size_t len = 0;
    for (size_t i = 0; i < num; i++) {
        if (parts[i].len > GATHERED - len) {
            if (MD5_Update(&digest->md5, digest->gathered, len) != 1) {
                return false;
            }
            len = 0;
        }
        if (parts[i].len > GATHERED) {
            if (MD5_Update(&digest->md5, parts[i].ptr, parts[i].len) != 1) {
                return false;
            }
        } else if (parts[i].len > 0) {
            memcpy(digest->gathered + len, parts[i].ptr, parts[i].len);
            len += parts[i].len;
        }
    }
    return MD5_Update(&digest->md5, digest->gathered, len) == 1;
}

rsec_status rsec_digest_md5(rsec_digest *digest, const rsec_view *parts, size_t num,
                            uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    return MD5_Init(&digest->md5) == 1 && update(digest, parts, num) && MD5_Final(out, &digest->md5) == 1 ? RSEC_OK
                                                                                                          : RSEC_CRYPTO;
}

/* Starts a digest with the block of the key and `pad` (RFC 2104 §2). */
static bool start(MD5_CTX *ctx, const uint8_t key[MD5_CBLOCK], uint8_t pad) {
    uint8_t block[MD5_CBLOCK];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = key[i] ^ pad;
    }
    bool is_good = MD5_Init(ctx) == 1 && MD5_Update(ctx, block, sizeof block) == 1;
    OPENSSL_cleanse(block, sizeof block);
    return is_good;
}

/* Readies `inner` and `outer` for messages under `key`. */
static bool set_key(rsec_digest *digest, rsec_view key) {
    if (digest->has_key && key.len == digest->key_len && CRYPTO_memcmp(key.ptr, digest->key, key.len) == 0) {
        return true;
    }
    uint8_t block[MD5_CBLOCK] = {0};
    bool is_good = true;
    digest->has_key = false;
    if (key.len > sizeof block) {
        is_good = rsec_digest_md5(digest, &key, 1, block) == RSEC_OK;
    } else if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    is_good = is_good && start(&digest->inner, block, 0x36) && start(&digest->outer, block, 0x5c);
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
    MD5_CTX *ctx = &digest->md5;
    uint8_t inner[RSEC_AUTHENTICATOR_LEN];
    if (!set_key(digest, key)) {
        return RSEC_CRYPTO;
    }
    *ctx = digest->inner;
    if (!update(digest, parts, num) || MD5_Final(inner, ctx) != 1) {
        return RSEC_CRYPTO;
    }
    *ctx = digest->outer;
    return MD5_Update(ctx, inner, sizeof inner) == 1 && MD5_Final(out, ctx) == 1 ? RSEC_OK : RSEC_CRYPTO;
}

bool rsec_digest_is_equal(const uint8_t a[RSEC_AUTHENTICATOR_LEN], const uint8_t b[RSEC_AUTHENTICATOR_LEN]) {
    return CRYPTO_memcmp(a, b, RSEC_AUTHENTICATOR_LEN) == 0;
}
