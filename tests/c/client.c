#define _GNU_SOURCE
#include "client.h"

#include "wire/writer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 20 };
#define CERTS RSEC_ROOT "/certs/"

SSL_CTX *client_context(bool has_certificate) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx != NULL && (SSL_CTX_load_verify_locations(ctx, CERTS "ca/ca.cert.pem", NULL) != 1 ||
                        (has_certificate &&
                         (SSL_CTX_use_certificate_chain_file(ctx, CERTS "client/client.cert.pem") != 1 ||
                          SSL_CTX_use_PrivateKey_file(ctx, CERTS "client/client.key.pem", SSL_FILETYPE_PEM) != 1)))) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    if (ctx != NULL) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    ERR_clear_error();
    return ctx;
}

bool client_connect(client *peer, uint16_t port, int receive_octets) {
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int one = 1;
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *peer = (client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (peer->fd < 0) {
        return false;
    }
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receive_octets > 0) {
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &receive_octets, sizeof receive_octets);
    }
    if (connect(peer->fd, (const struct sockaddr *)&addr, sizeof addr) != 0) {
        client_close(peer);
        return false;
    }
    return true;
}

bool client_handshake(client *peer, SSL_CTX *ctx) {
    peer->ssl = SSL_new(ctx);
    ERR_clear_error();
    if (peer->ssl != NULL && SSL_set_fd(peer->ssl, peer->fd) == 1 && SSL_connect(peer->ssl) == 1) {
        return true;
    }
    ERR_clear_error();
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    client_close(peer);
    return false;
}

bool client_open(client *peer, SSL_CTX *ctx, uint16_t port) {
    return client_connect(peer, port, 0) && client_handshake(peer, ctx);
}

bool client_send(client *peer, const void *octets, size_t len) {
    size_t put;
    ERR_clear_error();
    bool is_sent = SSL_write_ex(peer->ssl, octets, len, &put) == 1;
    ERR_clear_error();
    return is_sent;
}

void client_cork(client *peer, bool holds) {
    const int value = holds;
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

static bool read_all(client *peer, uint8_t *out, size_t len) {
    for (size_t have = 0; have < len;) {
        size_t got = 0;
        ERR_clear_error();
        if (SSL_read_ex(peer->ssl, out + have, len - have, &got) != 1) {
            return false;
        }
        have += got;
    }
    return true;
}

bool client_receive(client *peer, uint8_t out[RSEC_PACKET_MAX], size_t *len) {
    *len = 0;
    if (!read_all(peer, out, RSEC_HEADER_LEN)) {
        return false;
    }
    size_t pkt_len = rsec_get_u16(out + 2);
    if (pkt_len < RSEC_PACKET_MIN || pkt_len > RSEC_PACKET_MAX ||
        !read_all(peer, out + RSEC_HEADER_LEN, pkt_len - RSEC_HEADER_LEN)) {
        return false;
    }
    *len = pkt_len;
    return true;
}

bool client_sees_close_notify(client *peer) {
    uint8_t octet;
    size_t got = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(peer->ssl, &octet, 1, &got);
    bool is_closed = rc != 1 && SSL_get_error(peer->ssl, rc) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return is_closed;
}

static void drop(client *peer) {
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    peer->fd = -1;
}

void client_close(client *peer) {
    if (peer->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(peer->ssl);
        ERR_clear_error();
    }
    drop(peer);
}

void client_reset(client *peer) {
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (peer->fd >= 0) {
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    drop(peer);
}

size_t client_request(rsec_digest *digest, const char *secret, uint8_t code, uint8_t id, uint32_t number, bool with_mac,
                      const char *proxy_state, uint8_t *out) {
    uint8_t authenticator[RSEC_AUTHENTICATOR_LEN] = {0};
    rsec_writer writer;
    rsec_view key = rsec_view_of(secret, strlen(secret));
    bool signs = rsec_code_signs_request(code);
    if (!signs) {
        rsec_put_u32(authenticator, number);
        authenticator[15] = id;
    }
    if (rsec_writer_begin(&writer, out, RSEC_PACKET_MAX, code, id, authenticator) != RSEC_OK) {
        return 0;
    }
    if (with_mac) {
        (void)rsec_writer_message_auth(&writer);
    }
    (void)rsec_writer_attr(&writer, RSEC_ATTR_USER_NAME, rsec_view_of("alice", 5));
    (void)rsec_writer_attr_u32(&writer, 5, number);
    if (proxy_state != NULL) {
        (void)rsec_writer_attr(&writer, RSEC_ATTR_PROXY_STATE, rsec_view_of(proxy_state, strlen(proxy_state)));
    }
    if (rsec_writer_finish(&writer) != RSEC_OK) {
        return 0;
    }
    if (with_mac) {
        uint8_t mac[RSEC_AUTHENTICATOR_LEN];
        if (rsec_message_auth_compute(digest, rsec_view_of(out, writer.len), writer.message_auth_off, authenticator,
                                      key, mac) != RSEC_OK) {
            return 0;
        }
        memcpy(out + writer.message_auth_off, mac, sizeof mac);
    }
    if (signs && rsec_request_auth_sign(digest, out, writer.len, key) != RSEC_OK) {
        return 0;
    }
    return writer.len;
}

bool client_reply_is_good(rsec_digest *digest, const char *secret, const uint8_t *request, rsec_view reply) {
    rsec_packet_facts facts;
    rsec_view key = rsec_view_of(secret, strlen(secret));
    const uint8_t *header = reply.ptr[0] == RSEC_ACCOUNTING_RESPONSE ? NULL : request + 4; /* see rsec_reply_sign */
    return rsec_packet_scan(reply, &facts, NULL) == RSEC_OK && reply.ptr[1] == request[1] &&
           rsec_response_auth_check(digest, reply, request + 4, key) == RSEC_OK &&
           (facts.message_auth_num == 0 ||
            rsec_message_auth_check(digest, reply, facts.message_auth_off, header, key) == RSEC_OK);
}
