/* rsec_digest: MD5 and HMAC-MD5 as RADIUS uses them, from a library context of their own.
 *
 * The algorithms are fetched once and kept: an implicit fetch per packet costs more than the digest. The library context
 * is private and loads the default provider, so that a host whose configuration allows FIPS algorithms only can still
 * speak RADIUS (MD5 is a checksum against a broken network here; TLS is what protects the packet).
 *
 * One rsec_md belongs to a process or module and is immutable after rsec_md_new: any thread may use it. An rsec_digest
 * holds the working state of one thread: never share one without a lock.
 */
#ifndef RSEC_CRYPTO_DIGEST_H
#define RSEC_CRYPTO_DIGEST_H

#include "wire/code.h"
#include "wire/status.h"
#include "wire/view.h"

typedef struct rsec_md rsec_md;
typedef struct rsec_digest rsec_digest;

/* A new set of fetched algorithms in *md, to be freed with rsec_md_free. RSEC_NO_MEMORY, or RSEC_CRYPTO when libcrypto has
 * no MD5 even there; *md is NULL on failure. */
RSEC_CHECK rsec_status rsec_md_new(rsec_md **md);
void rsec_md_free(rsec_md *md);

/* Working state for one thread. `md` is borrowed and outlives it. */
RSEC_CHECK rsec_status rsec_digest_new(const rsec_md *md, rsec_digest **digest);
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
