#include "crypto/hide.h"

#include <openssl/crypto.h>
#include <string.h>

enum { BLOCK = 16, SALT = 2, SALTED_DATA_MAX = 239 };

/* One pass of the chained keystream: each block is masked with MD5(secret + chain), where the chain is `start` for the
 * first one and the hidden block before it for the others. `hides` says which side of the mask is the hidden one. */
static rsec_status mask(rsec_digest *digest, rsec_view secret, const rsec_view *start, size_t start_num, bool hides,
                        rsec_view in, uint8_t *out) {
    uint8_t key[BLOCK], chain[BLOCK], from[BLOCK];
    rsec_status status = RSEC_OK;
    for (size_t off = 0; off < in.len; off += BLOCK) {
        rsec_view parts[3] = {secret, rsec_view_of(chain, BLOCK), {NULL, 0}};
        if (off == 0) {
            parts[1] = start[0];
            parts[2] = start_num > 1 ? start[1] : (rsec_view){NULL, 0};
        }
        status = rsec_digest_md5(digest, parts, 3, key);
        size_t len = in.len - off < BLOCK ? in.len - off : BLOCK;
        if (status != RSEC_OK) {
            break;
        }
        memset(from, 0, sizeof from);
        memcpy(from, in.ptr + off, len);
        for (size_t i = 0; i < BLOCK; i++) {
            key[i] ^= from[i];
        }
        memcpy(out + off, key, len);
        memcpy(chain, hides ? key : from, BLOCK); /* of a block that is not whole, nothing follows */
    }
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(chain, sizeof chain);
    OPENSSL_cleanse(from, sizeof from);
    return status;
}

rsec_status rsec_password_hide(rsec_digest *digest, rsec_view secret, rsec_view authenticator, rsec_view password,
                               uint8_t *out, size_t *len) {
    size_t cap = *len, padded = (password.len + BLOCK - 1) / BLOCK * BLOCK;
    *len = 0;
    if (padded > cap) {
        return RSEC_TOO_LONG;
    }
    if (password.len > 0) {
        memmove(out, password.ptr, password.len);
    }
    memset(out + password.len, 0, padded - password.len);
    rsec_status status = mask(digest, secret, &authenticator, 1, true, rsec_view_of(out, padded), out);
    *len = status == RSEC_OK ? padded : 0;
    return status;
}

rsec_status rsec_password_unhide(rsec_digest *digest, rsec_view secret, rsec_view authenticator, rsec_view hidden,
                                 uint8_t *out, size_t *len) {
    size_t cap = *len;
    *len = 0;
    if (hidden.len > cap) {
        return RSEC_TOO_LONG;
    }
    rsec_status status = mask(digest, secret, &authenticator, 1, false, hidden, out);
    *len = status == RSEC_OK ? hidden.len : 0;
    return status;
}

rsec_status rsec_salted_hide(rsec_digest *digest, rsec_view secret, rsec_view authenticator, const uint8_t salt[2],
                             rsec_view data, uint8_t *out, size_t *len) {
    size_t cap = *len, padded = (1 + data.len + BLOCK - 1) / BLOCK * BLOCK;
    *len = 0;
    if (data.len > SALTED_DATA_MAX || SALT + padded > cap) {
        return RSEC_TOO_LONG;
    }
    out[SALT] = (uint8_t)data.len;
    if (data.len > 0) {
        memmove(out + SALT + 1, data.ptr, data.len);
    }
    memset(out + SALT + 1 + data.len, 0, padded - 1 - data.len);
    out[0] = salt[0] | 0x80; /* RFC 2868 §3.5: the most significant bit is set */
    out[1] = salt[1];
    const rsec_view start[] = {authenticator, rsec_view_of(out, SALT)};
    rsec_status status = mask(digest, secret, start, 2, true, rsec_view_of(out + SALT, padded), out + SALT);
    *len = status == RSEC_OK ? SALT + padded : 0;
    return status;
}

rsec_status rsec_salted_unhide(rsec_digest *digest, rsec_view secret, rsec_view authenticator, rsec_view hidden,
                               uint8_t *out, size_t *len) {
    uint8_t plain[256];
    size_t cap = *len;
    *len = 0;
    if (hidden.len < SALT + 1 || (hidden.len - SALT) % BLOCK != 0 || hidden.len > sizeof plain) {
        return RSEC_ATTR_VALUE;
    }
    const rsec_view start[] = {authenticator, rsec_view_part(hidden, 0, SALT)};
    rsec_view blocks = rsec_view_part(hidden, SALT, hidden.len - SALT);
    rsec_status status = mask(digest, secret, start, 2, false, blocks, plain);
    if (status == RSEC_OK && (size_t)plain[0] + 1 > blocks.len) {
        status = RSEC_BAD_SECRET;
    } else if (status == RSEC_OK && plain[0] > cap) {
        status = RSEC_TOO_LONG;
    } else if (status == RSEC_OK) {
        memcpy(out, plain + 1, plain[0]);
        *len = plain[0];
    }
    OPENSSL_cleanse(plain, sizeof plain);
    return status;
}
