/* Hidden attributes (PKT-16): User-Password (RFC 2865 §5.2) and the salted form of Tunnel-Password and the MS-MPPE keys
 * (RFC 2868 §3.5, RFC 2548 §2.4.2). `authenticator` is the request's, any length (16 on the wire).
 */
#ifndef RSEC_CRYPTO_HIDE_H
#define RSEC_CRYPTO_HIDE_H

#include "crypto/digest.h"

/* Hides `password`, zero-padded to a multiple of 16 octets, into `out`; *len is the capacity on entry and the octets
 * written on return (0 for an empty password). RSEC_TOO_LONG when it does not fit. */
RSEC_CHECK rsec_status rsec_password_hide(rsec_digest *digest, rsec_view secret, rsec_view authenticator,
                                          rsec_view password, uint8_t *out, size_t *len);

/* Uncovers it; trailing NULs stay (the caller strips them). `hidden` has any length, a last short block is uncovered
 * as far as it goes. Writes hidden.len octets. RSEC_TOO_LONG when *len is below that. */
RSEC_CHECK rsec_status rsec_password_unhide(rsec_digest *digest, rsec_view secret, rsec_view authenticator,
                                            rsec_view hidden, uint8_t *out, size_t *len);

/* Salted: 2 octets of salt, then blocks over a length octet, the data and padding. `data` has at most 239 octets (so that
 * the attribute holds it beside a tag), the salt's top bit is set by the callee. RSEC_TOO_LONG. */
RSEC_CHECK rsec_status rsec_salted_hide(rsec_digest *digest, rsec_view secret, rsec_view authenticator,
                                        const uint8_t salt[2], rsec_view data, uint8_t *out, size_t *len);

/* RSEC_ATTR_VALUE: fewer than 3 octets, or blocks cut short; RSEC_BAD_SECRET: the inner length does not fit. */
RSEC_CHECK rsec_status rsec_salted_unhide(rsec_digest *digest, rsec_view secret, rsec_view authenticator,
                                          rsec_view hidden, uint8_t *out, size_t *len);

#endif
