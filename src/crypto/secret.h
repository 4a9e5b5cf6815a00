/* rsec_secret: a shared secret (RFC 2865 §3), counted and immutable, wiped when the last reference goes.
 *
 * A connection, each of its requests and a Python packet may hold the same secret: a request keeps the one it was verified
 * with when the host's changes. The count is atomic; any thread may take and drop references.
 */
#ifndef RSEC_CRYPTO_SECRET_H
#define RSEC_CRYPTO_SECRET_H

#include "wire/status.h"
#include "wire/view.h"

typedef struct rsec_secret rsec_secret;

/* A secret holding a copy of `octets` (0 octets is allowed), count 1; NULL when there is no memory. */
RSEC_CHECK rsec_secret *rsec_secret_new(rsec_view octets);

/* Takes one more reference and returns `secret`. NULL stays NULL. */
rsec_secret *rsec_secret_ref(rsec_secret *secret);

/* Drops one reference; the last one wipes the octets (OPENSSL_cleanse) and frees. NULL is allowed. */
void rsec_secret_unref(rsec_secret *secret);

/* The octets, borrowed: valid while the caller holds a reference. */
rsec_view rsec_secret_octets(const rsec_secret *secret);

/* Whether the two hold the same octets; in constant time for equal lengths. */
bool rsec_secret_is_equal(const rsec_secret *secret, rsec_view octets);

#endif
