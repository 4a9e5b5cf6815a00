#define OPENSSL_SUPPRESS_DEPRECATED
#include "hmac.h"

#include <openssl/md5.h>
#include <string.h>

/* Behind the first block of the inner and of the outer digest. */
static MD5_CTX after_ipad, after_opad;

static void start(MD5_CTX *ctx, const uint8_t key[MD5_CBLOCK], uint8_t pad) {
    uint8_t block[MD5_CBLOCK];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = key[i] ^ pad;
    }
    MD5_Init(ctx);
    MD5_Update(ctx, block, sizeof block);
}

void hmac_init(const char *key, size_t len) {
    uint8_t block[MD5_CBLOCK] = {0};
    if (len <= sizeof block) {
        memcpy(block, key, len);
    } else {
        MD5((const uint8_t *)key, len, block);
    }
    start(&after_ipad, block, 0x36);
    start(&after_opad, block, 0x5c);
}

void hmac_md5(uint8_t out[DIGEST_LEN], const void *octets, size_t len) {
    MD5_CTX md = after_ipad;
    MD5_Update(&md, octets, len);
    MD5_Final(out, &md);
    md = after_opad;
    MD5_Update(&md, out, DIGEST_LEN);
    MD5_Final(out, &md);
}
