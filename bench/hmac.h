/* HMAC-MD5 (RFC 2104) under one key, by the MD5_* functions of OpenSSL: deprecated as they are, they start a digest several times faster
 * than EVP does, and take a copied state as a start. One thread. */
#ifndef BENCH_HMAC_H
#define BENCH_HMAC_H

#include "codes.h"

#include <stddef.h>
#include <stdint.h>

/* Sets the key, which is not kept. Once, before anything else. */
void hmac_init(const char *key, size_t len);

void hmac_md5(uint8_t out[DIGEST_LEN], const void *octets, size_t len);

#endif
