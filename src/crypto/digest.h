/* rsec_digest: MD5 and HMAC-MD5 as RADIUS uses them.
 *
 * It takes OpenSSL's MD5_Init(), MD5_Update() and MD5_Final(), deprecated since 3.0 in favour of EVP. RADIUS's digests are a few
 * blocks long, four of them to an Access-Request with its reply, and EVP allocates, wipes and frees an object for each, which
 * doubles what they cost. Nor do these functions need a provider: a host whose configuration allows FIPS algorithms only can
 * still speak RADIUS (MD5 is a checksum against a broken network here; TLS is what protects the packet).
 *
 * An rsec_digest is the working state of one thread: never share one without a lock.
 */
#ifndef RSEC_CRYPTO_DIGEST_H
#define RSEC_CRYPTO_DIGEST_H

#include "wire/code.h"
#include "wire/status.h"
#include "wire/view.h"

typedef struct rsec_digest rsec_digest;

/* Working state in *digest, to be freed with rsec_digest_free(), which wipes it. RSEC_NO_MEMORY; *digest is NULL then. */
RSEC_CHECK rsec_status rsec_digest_new(rsec_digest **digest);
void rsec_digest_free(rsec_digest *digest);

/* MD5 over the concatenation of `num` views, in order. */
RSEC_CHECK rsec_status rsec_digest_md5(rsec_digest *digest, const rsec_view *parts, size_t num,
                                       uint8_t out[RSEC_AUTHENTICATOR_LEN]);

/* HMAC-MD5 (RFC 2104) keyed with the octets of `key` (any length) over the concatenation of `num` views. */
RSEC_CHECK rsec_status rsec_digest_hmac_md5(rsec_digest *digest, rsec_view key, const rsec_view *parts, size_t num,
                                            uint8_t out[RSEC_AUTHENTICATOR_LEN]);

/* Whether two 16-octet digests are equal, in constant time (PKT-10). */
bool rsec_digest_is_equal(const uint8_t a[RSEC_AUTHENTICATOR_LEN], const uint8_t b[RSEC_AUTHENTICATOR_LEN]);

#endif
