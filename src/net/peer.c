#define _GNU_SOURCE
#include "net/peer.h"

#include "net/counters.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rsec_peer_address_text(const struct sockaddr *addr, socklen_t len, char text[RSEC_ADDRESS_TEXT], uint16_t *port) {
    text[0] = '\0';
    *port = 0;
    if (addr->sa_family == AF_INET && len >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, text, RSEC_ADDRESS_TEXT);
        *port = ntohs(in.sin_port);
    } else if (addr->sa_family == AF_INET6 && len >= (socklen_t)sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr, sizeof in6);
        *port = ntohs(in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            (void)inet_ntop(AF_INET, &in6.sin6_addr.s6_addr[12], text, RSEC_ADDRESS_TEXT);
            return;
        }
        char plain[INET6_ADDRSTRLEN];
        if (inet_ntop(AF_INET6, &in6.sin6_addr, plain, sizeof plain) == NULL) {
            return;
        }
        char name[IF_NAMESIZE];
        if (in6.sin6_scope_id == 0) {
            (void)snprintf(text, RSEC_ADDRESS_TEXT, "%s", plain);
        } else if (if_indextoname(in6.sin6_scope_id, name) != NULL) {
            (void)snprintf(text, RSEC_ADDRESS_TEXT, "%s%%%s", plain, name);
        } else {
            (void)snprintf(text, RSEC_ADDRESS_TEXT, "%s%%%u", plain, (unsigned)in6.sin6_scope_id);
        }
    }
}

rsec_peer *rsec_peer_new(const struct sockaddr *remote, socklen_t remote_len, const struct sockaddr *local,
                         socklen_t local_len) {
    rsec_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return NULL;
    }
    atomic_init(&peer->refs, 1);
    atomic_init(&peer->is_gone, false);
    atomic_init(&peer->is_asked, false);
    rsec_peer_address_text(remote, remote_len, peer->address, &peer->port);
    rsec_peer_address_text(local, local_len, peer->local_address, &peer->local_port);
    rsec_live_note(RSEC_LIVE_PEER, 1);
    return peer;
}

rsec_peer *rsec_peer_ref(rsec_peer *peer) {
    if (peer != NULL) {
        atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
    }
    return peer;
}

void rsec_peer_unref(rsec_peer *peer) {
    if (peer == NULL || atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    rsec_secret_unref(peer->admitted);
    X509_free(peer->certificate);
    free(peer);
    rsec_live_note(RSEC_LIVE_PEER, -1);
}

rsec_status rsec_peer_note_tls(rsec_peer *peer, const SSL *ssl) {
    (void)snprintf(peer->tls_version, sizeof peer->tls_version, "%s", SSL_get_version(ssl));
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    (void)snprintf(peer->cipher, sizeof peer->cipher, "%s", cipher != NULL ? SSL_CIPHER_get_name(cipher) : "");
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    (void)snprintf(peer->alpn, sizeof peer->alpn, "%.*s", (int)alpn_len, alpn != NULL ? (const char *)alpn : "");
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    if (certificate == NULL) {
        return RSEC_OK;
    }
    peer->certificate = certificate;
    unsigned char *der = NULL;
    int der_len = i2d_X509(certificate, &der);
    if (der_len < 0) {
        return RSEC_NO_MEMORY;
    }
    rsec_status status = rsec_fingerprint_of(rsec_view_of(der, (size_t)der_len), peer->fingerprint);
    OPENSSL_free(der);
    peer->has_certificate = status == RSEC_OK;
    return status;
}
