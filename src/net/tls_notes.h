/* What a handshake leaves behind for the log: the versions a client offered, and which check failed on which certificate.
 *
 * Attached to an SSL as ex data; written by OpenSSL's callbacks on the thread that runs the handshake.
 */
#ifndef RSEC_NET_TLS_NOTES_H
#define RSEC_NET_TLS_NOTES_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* Gets the ex data index, once for the process. */
bool rsec_tls_notes_prepare(void);
/* Gives `ssl` empty notes, freed with it. False: no memory. */
bool rsec_tls_notes_attach(SSL *ssl);

/* For SSL_CTX_set_client_hello_cb and SSL_CTX_set_verify. Neither changes the outcome. */
int rsec_tls_notes_on_client_hello(SSL *ssl, int *alert, void *arg);
int rsec_tls_notes_on_verify(int is_ok, X509_STORE_CTX *store_ctx);

#endif
