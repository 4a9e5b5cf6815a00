/* The packet as octets: signing, hiding passwords, and the header of RADIUS/1.1, which needs neither. */
#include "py/packet.h" /* Python.h comes before every system header */

#include "crypto/authenticator.h"
#include "crypto/hide.h"
#include "py/arguments.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

/* Code and identifier of the header to be written. RADIUS/1.1 has a reserved octet in the identifier's place. */
static int header_of(rsec_py_packet *self, uint8_t *code, uint8_t *id) {
    *id = 0;
    if (rsec_py_packet_code_of(self, code) < 0) {
        return -1;
    }
    if (rsec_py_packet_is_v11(self)) {
        return 0;
    }
    long value = self->id != NULL ? PyLong_AsLong(self->id) : -1;
    if (PyErr_Occurred() != NULL) {
        return -1;
    }
    if (value < 0 || value > 255) {
        PyErr_Format(PyExc_ValueError, "id: expected 0 to 255, found %ld", value);
        return -1;
    }
    *id = (uint8_t)value;
    return 0;
}

void rsec_py_packet_header_authenticator(rsec_view authenticator, uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    size_t len = authenticator.len < RSEC_AUTHENTICATOR_LEN ? authenticator.len : RSEC_AUTHENTICATOR_LEN;
    memset(out, 0, RSEC_AUTHENTICATOR_LEN);
    if (len > 0) {
        memcpy(out, authenticator.ptr, len);
    }
}

/* Takes every Message-Authenticator out of what was written: RADIUS/1.1 sends none (V11-3), also when one was stored before
 * the packet became one of RADIUS/1.1. */
static void remove_message_auth(rsec_writer *writer) {
    size_t off = RSEC_HEADER_LEN;
    while (off < writer->len) {
        size_t len = writer->ptr[off + 1];
        if (writer->ptr[off] != RSEC_ATTR_MESSAGE_AUTHENTICATOR) {
            off += len;
            continue;
        }
        memmove(writer->ptr + off, writer->ptr + off + len, writer->len - off - len);
        writer->len -= len;
    }
    writer->message_auth_off = 0;
}

int rsec_py_packet_write(rsec_py_packet *self, rsec_writer *writer, uint8_t buf[RSEC_PACKET_MAX],
                         const uint8_t authenticator[RSEC_AUTHENTICATOR_LEN]) {
    uint8_t code, id;
    bool is_v11 = rsec_py_packet_is_v11(self);
    int is_signed = self->message_authenticator != NULL ? PyObject_IsTrue(self->message_authenticator) : 0;
    if (is_signed < 0 || header_of(self, &code, &id) < 0) {
        return -1;
    }
    rsec_status status = rsec_writer_begin(writer, buf, RSEC_PACKET_MAX, code, id, authenticator);
    if (status == RSEC_OK && rsec_py_packet_write_attrs(self, writer) < 0) {
        return -1;
    }
    if (status == RSEC_OK && is_v11) {
        remove_message_auth(writer);
    } else if (status == RSEC_OK && is_signed) {
        (void)rsec_writer_message_auth(writer);
    }
    status = status == RSEC_OK ? rsec_writer_finish(writer) : status;
    if (status != RSEC_OK) {
        (void)rsec_py_fail(self->state, status, "packet");
        return -1;
    }
    return 0;
}

/* The octets as bytes, shown to the trace; `is_digest` has their authenticator set on the packet before that. */
static PyObject *finish(rsec_py_packet *self, const rsec_writer *writer, bool is_digest) {
    PyObject *raw = rsec_py_bytes(rsec_view_of(writer->ptr, writer->len));
    PyObject *digest = raw != NULL && is_digest
                           ? PyBytes_FromStringAndSize((char *)writer->ptr + 4, RSEC_AUTHENTICATOR_LEN)
                           : NULL;
    if (raw != NULL && is_digest && digest == NULL) {
        Py_CLEAR(raw);
    }
    if (digest != NULL) {
        Py_XSETREF(self->authenticator, digest);
    }
    if (raw != NULL && self->state->trace != NULL && rsec_py_packet_trace(self, "out", raw) < 0) {
        Py_CLEAR(raw);
    }
    return raw;
}

/* RADIUS/1.1 (RFC 9765 §4.1): requests and replies alike carry their Token and twelve reserved octets, no digest. */
static PyObject *encode_v11(rsec_py_packet *self) {
    uint8_t buf[RSEC_PACKET_MAX], header[RSEC_AUTHENTICATOR_LEN] = {0};
    rsec_writer writer;
    PyObject *token = self->token;
    if (token == NULL || !PyBytes_Check(token)) {
        return PyErr_Format(self->state->packet_error, "token: RADIUS/1.1 needs 4 octets, found %.100s",
                            token == NULL || token == Py_None ? "none" : Py_TYPE(token)->tp_name);
    }
    if (PyBytes_GET_SIZE(token) != RSEC_PY_TOKEN_LEN) {
        return PyErr_Format(self->state->packet_error, "token: RADIUS/1.1 needs 4 octets, found %zd",
                            PyBytes_GET_SIZE(token));
    }
    memcpy(header, PyBytes_AS_STRING(token), RSEC_PY_TOKEN_LEN);
    return rsec_py_packet_write(self, &writer, buf, header) == 0 ? finish(self, &writer, false) : NULL;
}

/* A request that was made without an identifier gets one. */
static int ensure_id(rsec_py_packet *self) {
    uint8_t octet;
    if (self->id != NULL && self->id != Py_None) {
        return 0;
    }
    if (RAND_bytes(&octet, 1) != 1) {
        PyErr_SetString(PyExc_RuntimeError, "no random octet for the identifier");
        return -1;
    }
    PyObject *id = PyLong_FromLong(octet);
    if (id == NULL) {
        return -1;
    }
    Py_XSETREF(self->id, id);
    return 0;
}

PyDoc_STRVAR(
    encode_request_doc,
    "_encode_request()\n--\n\n"
    "The octets of the packet as a request. Access-Request and Status-Server carry their random authenticator, the\n"
    "other codes a digest that is set on the packet (RFC 2866 §3, RFC 5176 §2.3).");

static PyObject *packet_encode_request(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    uint8_t buf[RSEC_PACKET_MAX], header[RSEC_AUTHENTICATOR_LEN] = {0}, code, id;
    rsec_view secret, authenticator;
    rsec_writer writer;
    if (ensure_id(self) < 0) {
        return NULL;
    }
    if (rsec_py_packet_is_v11(self)) {
        return encode_v11(self);
    }
    if (header_of(self, &code, &id) < 0 || rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    bool is_random = code == RSEC_ACCESS_REQUEST || code == RSEC_STATUS_SERVER;
    if (is_random) {
        rsec_py_packet_header_authenticator(authenticator, header);
    }
    /* A dictionary with code of its own may change the packet while its attributes are written. */
    PyObject *held = Py_NewRef(self->secret);
    rsec_status status = RSEC_OK;
    if (rsec_py_packet_write(self, &writer, buf, header) < 0) {
        Py_DECREF(held);
        return NULL;
    }
    if (writer.message_auth_off != 0) {
        uint8_t mac[RSEC_AUTHENTICATOR_LEN];
        status = rsec_message_auth_compute(self->state->digest, rsec_view_of(buf, writer.len), writer.message_auth_off,
                                           header, secret, mac);
        memcpy(buf + writer.message_auth_off, mac, sizeof mac);
    }
    if (status == RSEC_OK && !is_random) {
        status = rsec_request_auth_sign(self->state->digest, buf, writer.len, secret);
    }
    Py_DECREF(held);
    if (status != RSEC_OK) {
        return rsec_py_fail(self->state, status, "request");
    }
    return finish(self, &writer, !is_random);
}

/* The Response Authenticator for an authenticator of another length than 16 octets: the digest is over all of it. No packet
 * carries such a one; programs that set one expect this digest, which pyrad has always made. */
static rsec_status sign_reply_whole(rsec_py_packet *self, rsec_writer *writer, rsec_view authenticator,
                                    rsec_view secret) {
    uint8_t out[RSEC_AUTHENTICATOR_LEN];
    const rsec_view pkt = rsec_view_of(writer->ptr, writer->len);
    const rsec_view parts[] = {rsec_view_part(pkt, 0, 4), authenticator, rsec_packet_attrs(pkt), secret};
    rsec_status status = rsec_digest_md5(self->state->digest, parts, sizeof parts / sizeof *parts, out);
    if (status == RSEC_OK) {
        memcpy(writer->ptr + 4, out, sizeof out);
    }
    return status;
}

PyDoc_STRVAR(
    reply_packet_doc,
    "reply_packet()\n--\n\n"
    "The octets of the packet as a reply: its authenticator is the request's, the Response Authenticator is\n"
    "computed into the octets only (RFC 2865 §3). In RADIUS/1.1 the token is the request's and there is no digest\n"
    "(RFC 9765 §4.1).\n\n"
    "ValueError without an authenticator, PacketError without a token or for what does not fit a packet.");

static PyObject *packet_reply_packet(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    uint8_t buf[RSEC_PACKET_MAX], header[RSEC_AUTHENTICATOR_LEN];
    rsec_view secret, authenticator;
    rsec_writer writer;
    if (rsec_py_packet_is_v11(self)) {
        return encode_v11(self);
    }
    PyObject *octets = rsec_py_packet_authenticator(self);
    if (octets == NULL) {
        return NULL;
    }
    if (octets == Py_None) {
        Py_DECREF(octets);
        PyErr_SetString(PyExc_ValueError, "authenticator: a reply needs that of its request, found none");
        return NULL;
    }
    PyObject *held = Py_XNewRef(self->secret); /* both: writing may run code of a dictionary's own */
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        Py_DECREF(octets);
        Py_XDECREF(held);
        return NULL;
    }
    rsec_py_packet_header_authenticator(authenticator, header);
    if (rsec_py_packet_write(self, &writer, buf, header) < 0) {
        Py_DECREF(octets);
        Py_DECREF(held);
        return NULL;
    }
    int overflow;
    long asked = self->original_code != NULL && PyLong_Check(self->original_code)
                     ? PyLong_AsLongAndOverflow(self->original_code, &overflow)
                     : 0; /* a number that is no code: that of no request */
    rsec_status status = rsec_reply_sign(self->state->digest, buf, writer.len, writer.message_auth_off,
                                         asked > 0 && asked <= 255 ? (uint8_t)asked : 0, header, secret);
    if (status == RSEC_OK && authenticator.len != RSEC_AUTHENTICATOR_LEN) {
        status = sign_reply_whole(self, &writer, authenticator, secret);
    }
    Py_DECREF(octets);
    Py_DECREF(held);
    return status == RSEC_OK ? finish(self, &writer, false) : rsec_py_fail(self->state, status, "reply");
}

/* --- the octets as they are, to look at --- */

/* Whether the store holds what the octets received say, so that nothing was changed since: 1, 0, -1. */
static int is_unchanged(rsec_py_packet *self) {
    rsec_packet_facts facts;
    size_t off;
    if (self->store == NULL) {
        return self->obfuscated == NULL || self->obfuscated == Py_None;
    }
    if (!PyBytes_Check(self->raw_packet) || (self->obfuscated != NULL && self->obfuscated != Py_None)) {
        return 0;
    }
    if (rsec_packet_scan(rsec_py_bytes_view(self->raw_packet), &facts, &off) != RSEC_OK) {
        return 0; /* raw_packet may be assigned, anything */
    }
    rsec_py_packet *fresh = rsec_py_packet_alloc(self->state, self->state->packet_base);
    if (fresh == NULL) {
        return -1;
    }
    Py_SETREF(fresh->raw_packet, Py_NewRef(self->raw_packet));
    fresh->radius_version = Py_XNewRef(self->radius_version);
    fresh->dict = Py_XNewRef(self->dict);
    fresh->secret = Py_XNewRef(self->secret);
    int rc = rsec_py_packet_materialise(fresh);
    if (rc == 0 && rsec_py_packet_is_v11(self)) {
        PyObject *key = PyLong_FromLong(RSEC_ATTR_MESSAGE_AUTHENTICATOR);
        rc = key == NULL || (PyDict_Contains(fresh->store, key) == 1 && PyDict_DelItem(fresh->store, key) < 0) ? -1 : 0;
        Py_XDECREF(key);
    }
    if (rc == 0) {
        PyObject *store = Py_NewRef(self->store); /* what is compared may have code of its own */
        rc = PyObject_RichCompareBool(fresh->store, store, Py_EQ);
        Py_DECREF(store);
    }
    Py_DECREF(fresh);
    return rc;
}

PyObject *rsec_py_packet_octets(rsec_py_packet *self) {
    static const uint8_t zeros[RSEC_AUTHENTICATOR_LEN];
    uint8_t buf[RSEC_PACKET_MAX];
    rsec_writer writer;
    int is_received = is_unchanged(self);
    if (is_received < 0) {
        return NULL;
    }
    if (is_received) {
        return Py_NewRef(self->raw_packet);
    }
    return rsec_py_packet_write(self, &writer, buf, zeros) == 0 ? rsec_py_bytes(rsec_view_of(buf, writer.len)) : NULL;
}

static PyObject *packet_octets(PyObject *op, PyObject *unused) {
    (void)unused;
    return rsec_py_packet_octets((rsec_py_packet *)op);
}

PyDoc_STRVAR(
    over_doc,
    "_over(octets)\n--\n\n"
    "A PacketBase over the octets of a packet, with this one's header fields, secret, dictionary and peer, to look\n"
    "at. The trace is not shown it.");

PyObject *rsec_py_packet_over(rsec_py_packet *self, PyObject *raw) {
    rsec_packet_facts facts;
    size_t off;
    rsec_status status = rsec_packet_scan(rsec_py_bytes_view(raw), &facts, &off);
    if (status != RSEC_OK) {
        return rsec_py_fail_scan(self->state, status, rsec_py_bytes_view(raw), off);
    }
    rsec_py_packet *seen = rsec_py_packet_alloc(self->state, self->state->packet_base);
    if (seen == NULL) {
        return NULL;
    }
    Py_SETREF(seen->raw_packet, Py_NewRef(raw));
    seen->code = Py_XNewRef(self->code);
    seen->id = Py_XNewRef(self->id);
    seen->secret = Py_XNewRef(self->secret);
    seen->authenticator = rsec_py_packet_authenticator(self);
    seen->radius_version = Py_XNewRef(self->radius_version);
    seen->dict = Py_XNewRef(self->dict);
    Py_XSETREF(seen->token, Py_XNewRef(self->token));
    Py_XSETREF(seen->request_authenticator, Py_XNewRef(self->request_authenticator));
    Py_XSETREF(seen->peer, Py_XNewRef(self->peer));
    if (seen->authenticator == NULL) {
        Py_CLEAR(seen);
    }
    return (PyObject *)seen;
}

static PyObject *packet_over(PyObject *op, PyObject *raw) {
    if (!PyBytes_Check(raw)) {
        return PyErr_Format(PyExc_TypeError, "packet: expected bytes, found %.100s", Py_TYPE(raw)->tp_name);
    }
    return rsec_py_packet_over((rsec_py_packet *)op, raw);
}

/* --- passwords --- */

/* The octets of text or bytes, for hiding. */
static PyObject *clear_octets(PyObject *value) {
    return rsec_py_encode(RSEC_TYPE_STRING, value, RSEC_PACKET_MAX);
}

static int expect_bytes(PyObject *value, const char *what) {
    if (PyBytes_Check(value)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "expected %s as bytes, found %.100s", what, Py_TYPE(value)->tp_name);
    return -1;
}

PyDoc_STRVAR(
    pw_crypt_doc,
    "pw_crypt(password)\n--\n\n"
    "The octets of a User-Password for `password`, str or bytes, padded to a multiple of 16 octets and hidden with\n"
    "the secret and the authenticator (RFC 2865 §5.2), which is made (16 random octets) when there is none. In\n"
    "RADIUS/1.1 nothing is hidden: the password's own octets (RFC 9765 §5.1.1).");

static PyObject *packet_pw_crypt(PyObject *op, PyObject *password) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *bytes = clear_octets(password);
    rsec_view secret, authenticator;
    uint8_t out[RSEC_PACKET_MAX + 16];
    size_t len = sizeof out;
    if (bytes == NULL || rsec_py_packet_is_v11(self)) {
        return bytes;
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    rsec_status status = rsec_password_hide(self->state->digest, secret, authenticator, rsec_py_bytes_view(bytes), out,
                                            &len);
    Py_DECREF(bytes);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, len)) : rsec_py_fail(self->state, status, "password");
}

PyDoc_STRVAR(
    pw_decrypt_octets_doc,
    "_pw_decrypt_octets(password)\n--\n\n"
    "The clear octets of a hidden password, without trailing NULs. PacketError when they cannot be hidden ones.");

static PyObject *packet_pw_decrypt_octets(PyObject *op, PyObject *hidden) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    rsec_view secret, authenticator;
    uint8_t out[RSEC_PACKET_MAX];
    size_t len = sizeof out;
    if (expect_bytes(hidden, "the hidden password") < 0) {
        return NULL;
    }
    if (rsec_py_packet_is_v11(self)) {
        return Py_NewRef(hidden);
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    rsec_status status = rsec_password_unhide(self->state->digest, secret, authenticator, rsec_py_bytes_view(hidden),
                                              out, &len);
    if (status != RSEC_OK) {
        return rsec_py_fail(self->state, status, "password");
    }
    size_t padded = len;
    while (len > 0 && out[len - 1] == 0) {
        len--;
    }
    PyObject *clear = rsec_py_bytes(rsec_view_of(out, len));
    OPENSSL_cleanse(out, padded);
    return clear;
}

PyDoc_STRVAR(
    pw_decrypt_doc,
    "pw_decrypt(password)\n--\n\n"
    "The clear text of a User-Password's octets (RFC 2865 §5.2), without trailing NULs; in RADIUS/1.1 the octets are\n"
    "the clear text. Octets that are not UTF-8, most often because the shared secrets differ, are logged as a warning\n"
    "and decoded with what is valid. PacketError for octets that cannot be a hidden password.");

static PyObject *packet_pw_decrypt(PyObject *op, PyObject *hidden) {
    PyObject *clear = packet_pw_decrypt_octets(op, hidden);
    if (clear == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(clear), PyBytes_GET_SIZE(clear), NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        text = PyObject_CallMethod(op, "_not_utf8", "O", clear);
    }
    Py_DECREF(clear);
    return text;
}

PyDoc_STRVAR(
    salt_crypt_doc,
    "salt_crypt(value)\n--\n\n"
    "Salt and hidden octets of a value, str or bytes of at most 239 octets (RFC 2868 §3.5), with the secret and\n"
    "the authenticator, which is made when there is none. In RADIUS/1.1 the value's own octets.");

/* The one argument of salt_crypt() and salt_decrypt(), borrowed. */
static PyObject *take_value(const char *function, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    static const char *const argument_names[] = {"value"};
    const rsec_py_signature signature = {function, argument_names, 1, 1};
    PyObject *value;
    return rsec_py_arguments_take(&signature, args, num, names, &value) == 0 ? value : NULL;
}

static PyObject *packet_salt_crypt(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *value = take_value("salt_crypt", args, num, names);
    PyObject *bytes = value != NULL ? rsec_py_encode(RSEC_TYPE_STRING, value, RSEC_ATTR_VALUE_MAX) : NULL;
    rsec_view secret, authenticator;
    uint8_t out[RSEC_ATTR_VALUE_MAX], salt[2];
    size_t len = sizeof out;
    rsec_status status = RSEC_CRYPTO;
    if (bytes == NULL || rsec_py_packet_is_v11(self)) {
        return bytes;
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    if (RAND_bytes(salt, sizeof salt) == 1) {
        status = rsec_salted_hide(self->state->digest, secret, authenticator, salt, rsec_py_bytes_view(bytes), out,
                                  &len);
    }
    Py_DECREF(bytes);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, len))
                             : rsec_py_fail(self->state, status, "salted value");
}

PyDoc_STRVAR(
    salt_decrypt_doc,
    "salt_decrypt(value)\n--\n\n"
    "The clear octets of salted ones (RFC 2868 §3.5), which were hidden with the authenticator of the request: on a\n"
    "reply that create_reply(packet=…) parsed this is `request_authenticator`, else `authenticator`. In RADIUS/1.1\n"
    "the same octets. PacketError when they do not decode.");

static PyObject *packet_salt_decrypt(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *value = take_value("salt_decrypt", args, num, names);
    rsec_view secret, authenticator;
    uint8_t out[RSEC_PACKET_MAX];
    size_t len = sizeof out;
    if (value == NULL || expect_bytes(value, "the salted value") < 0) {
        return NULL;
    }
    if (rsec_py_packet_is_v11(self)) {
        return Py_NewRef(value);
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    if (self->request_authenticator != NULL && PyBytes_Check(self->request_authenticator)) {
        authenticator = rsec_py_bytes_view(self->request_authenticator);
    }
    rsec_status status = rsec_salted_unhide(self->state->digest, secret, authenticator, rsec_py_bytes_view(value), out,
                                            &len);
    if (status != RSEC_OK) {
        return rsec_py_fail(self->state, status, "salted value");
    }
    PyObject *clear = rsec_py_bytes(rsec_view_of(out, len));
    OPENSSL_cleanse(out, len);
    return clear;
}

PyMethodDef rsec_py_packet_wire_methods[] = {
    {"_encode_request", packet_encode_request, METH_NOARGS, encode_request_doc},
    {"reply_packet", packet_reply_packet, METH_NOARGS, reply_packet_doc},
    {"_octets", packet_octets, METH_NOARGS, "_octets()\n--\n\nThe octets that attributes() goes through."},
    {"_over", packet_over, METH_O, over_doc},
    {"_pw_crypt", packet_pw_crypt, METH_O, pw_crypt_doc},
    {"_pw_decrypt", packet_pw_decrypt, METH_O, pw_decrypt_doc},
    {"_pw_decrypt_octets", packet_pw_decrypt_octets, METH_O, pw_decrypt_octets_doc},
    {"salt_crypt", (PyCFunction)(void (*)(void))packet_salt_crypt, METH_FASTCALL | METH_KEYWORDS, salt_crypt_doc},
    {"salt_decrypt", (PyCFunction)(void (*)(void))packet_salt_decrypt, METH_FASTCALL | METH_KEYWORDS, salt_decrypt_doc},
    {NULL, NULL, 0, NULL},
};
