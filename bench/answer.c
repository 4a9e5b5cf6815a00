/* MD5_Init() and its like, deprecated as they are, for `takes_md5_init`. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "answer.h"

#include "codes.h"
#include "hmac.h"
#include "support.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <stdbool.h>
#include <string.h>

/* --- digests: fetched once and kept, since an implicit fetch costs more than the digest --- */

static EVP_MD *md5;
static EVP_MD_CTX *md_ctx;
static EVP_MAC_CTX *mac_ctx;
static const char *secret;
static size_t secret_len;
static bool takes_md5_init;

void answer_init(const char *shared_secret, bool with_md5_init) {
    secret = shared_secret;
    secret_len = strlen(secret);
    takes_md5_init = with_md5_init;
    hmac_init(secret, secret_len);
    md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    md_ctx = EVP_MD_CTX_new();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac_ctx = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"MD5"}, 0), OSSL_PARAM_construct_end()};
    if (md5 == NULL || md_ctx == NULL || mac_ctx == NULL ||
        EVP_MAC_init(mac_ctx, (const uint8_t *)secret, secret_len, params) != 1) {
        die("OpenSSL has no MD5");
    }
    EVP_MAC_free(hmac);
}

static void digest_of(uint8_t out[DIGEST_LEN], const void *first, size_t first_len, const void *then, size_t then_len) {
    if (takes_md5_init) {
        MD5_CTX md;
        MD5_Init(&md);
        MD5_Update(&md, first, first_len);
        MD5_Update(&md, then, then_len);
        MD5_Final(out, &md);
        return;
    }
    EVP_DigestInit_ex2(md_ctx, md5, NULL);
    EVP_DigestUpdate(md_ctx, first, first_len);
    EVP_DigestUpdate(md_ctx, then, then_len);
    EVP_DigestFinal_ex(md_ctx, out, NULL);
}

static void hmac_of(uint8_t out[DIGEST_LEN], const void *octets, size_t len) {
    size_t out_len;
    if (takes_md5_init) {
        hmac_md5(out, octets, len);
        return;
    }
    EVP_MAC_init(mac_ctx, NULL, 0, NULL);
    EVP_MAC_update(mac_ctx, octets, len);
    EVP_MAC_final(mac_ctx, out, &out_len, DIGEST_LEN);
}

/* --- the way of a packet --- */

typedef struct {
    uint8_t *user, *password, *message_auth;
    size_t user_len, password_len;
} attrs;

static attrs find_attrs(uint8_t *pkt, size_t len) {
    attrs found = {0};
    for (size_t off = PACKET_HEADER; off + 2 <= len && pkt[off + 1] >= 2 && off + pkt[off + 1] <= len;
         off += pkt[off + 1]) {
        uint8_t *value = pkt + off + 2;
        size_t value_len = (size_t)pkt[off + 1] - 2;
        if (pkt[off] == USER_NAME) {
            found.user = value;
            found.user_len = value_len;
        } else if (pkt[off] == USER_PASSWORD) {
            found.password = value;
            found.password_len = value_len;
        } else if (pkt[off] == MESSAGE_AUTHENTICATOR && value_len == DIGEST_LEN) {
            found.message_auth = value;
        }
    }
    return found;
}

static bool is_authentic(uint8_t *pkt, size_t len, uint8_t *message_auth) {
    uint8_t given[DIGEST_LEN], computed[DIGEST_LEN];
    if (message_auth != NULL) {
        memcpy(given, message_auth, DIGEST_LEN);
        memset(message_auth, 0, DIGEST_LEN);
        hmac_of(computed, pkt, len);
        if (CRYPTO_memcmp(given, computed, DIGEST_LEN) != 0) {
            return false;
        }
    }
    if (pkt[0] == ACCOUNTING_REQUEST) {
        memcpy(given, pkt + 4, DIGEST_LEN);
        memset(pkt + 4, 0, DIGEST_LEN);
        digest_of(computed, pkt, len, secret, secret_len);
        memcpy(pkt + 4, given, DIGEST_LEN);
        return CRYPTO_memcmp(given, computed, DIGEST_LEN) == 0;
    }
    return true;
}

static bool is_password_right(const uint8_t *pkt, const attrs *found) {
    uint8_t key[DIGEST_LEN], clear[DIGEST_LEN], wanted[DIGEST_LEN] = "hunter";
    if (found->password_len != DIGEST_LEN || found->user_len < 8) {
        return false;
    }
    digest_of(key, secret, secret_len, pkt + 4, 16);
    for (size_t i = 0; i < sizeof clear; i++) {
        clear[i] = key[i] ^ found->password[i];
    }
    memcpy(wanted + 6, found->user + 4, 4);
    return CRYPTO_memcmp(clear, wanted, DIGEST_LEN) == 0;
}

size_t answer(uint8_t *pkt, size_t len, uint8_t *out) {
    static const char hello[] = {'H', 'e', 'l', 'l', 'o', ' '};
    attrs found = find_attrs(pkt, len);
    if ((pkt[0] != ACCESS_REQUEST && pkt[0] != ACCOUNTING_REQUEST && pkt[0] != STATUS_SERVER) ||
        !is_authentic(pkt, len, found.message_auth)) {
        return 0;
    }
    size_t out_len = PACKET_HEADER;
    out[0] = pkt[0] == ACCOUNTING_REQUEST ? ACCOUNTING_RESPONSE : ACCESS_ACCEPT;
    out[1] = pkt[1];
    memcpy(out + 4, pkt + 4, 16);
    if (pkt[0] == ACCESS_REQUEST && !is_password_right(pkt, &found)) {
        out[0] = ACCESS_REJECT;
    } else if (pkt[0] == ACCESS_REQUEST && found.user != NULL) {
        size_t user_len = found.user_len < 247 ? found.user_len : 247;
        out[out_len] = REPLY_MESSAGE;
        out[out_len + 1] = (uint8_t)(8 + user_len);
        memcpy(out + out_len + 2, hello, sizeof hello);
        memcpy(out + out_len + 8, found.user, user_len);
        out_len += 8 + user_len;
    }
    uint8_t *message_auth = NULL;
    if (found.message_auth != NULL) {
        out[out_len] = MESSAGE_AUTHENTICATOR;
        out[out_len + 1] = 2 + DIGEST_LEN;
        message_auth = memset(out + out_len + 2, 0, DIGEST_LEN);
        out_len += 2 + DIGEST_LEN;
    }
    out[2] = (uint8_t)(out_len >> 8);
    out[3] = (uint8_t)out_len;
    if (message_auth != NULL) {
        uint8_t digest[DIGEST_LEN];
        hmac_of(digest, out, out_len);
        memcpy(message_auth, digest, DIGEST_LEN);
    }
    digest_of(out + 4, out, out_len, secret, secret_len);
    return out_len;
}
