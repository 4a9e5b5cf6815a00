/* The packet as octets: signing, hiding passwords; and the checks on received octets that the Python
 * side of pyradsec.packet is made of. */
#include "py/packet.h" /* Python.h comes before every system header */

#include "crypto/authenticator.h"
#include "crypto/hide.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

/* Code and identifier of the header to be written. */
static int header_of(rsec_py_packet *self, uint8_t *code, uint8_t *id) {
    long value = self->id != NULL ? PyLong_AsLong(self->id) : -1;
    if (PyErr_Occurred() != NULL || rsec_py_packet_code_of(self, code) < 0) {
        return -1;
    }
    if (value < 0 || value > 255) {
        PyErr_Format(PyExc_ValueError, "id: expected 0 to 255, found %ld", value);
        return -1;
    }
    *id = (uint8_t)value;
    return 0;
}

/* The 16 octets for the header: a longer authenticator gives its first ones, a shorter one is padded with zeros. */
static void header_authenticator(rsec_view authenticator, uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    memset(out, 0, RSEC_AUTHENTICATOR_LEN);
    memcpy(out, authenticator.ptr,
           authenticator.len < RSEC_AUTHENTICATOR_LEN ? authenticator.len : RSEC_AUTHENTICATOR_LEN);
}

/* Writes header and attributes, with a Message-Authenticator at the end when the flag asks for one that is not there. */
static int write_packet(rsec_py_packet *self, rsec_writer *writer, uint8_t buf[RSEC_PACKET_MAX],
                        const uint8_t authenticator[RSEC_AUTHENTICATOR_LEN]) {
    uint8_t code, id;
    int is_signed = self->message_authenticator != NULL ? PyObject_IsTrue(self->message_authenticator) : 0;
    if (is_signed < 0 || header_of(self, &code, &id) < 0) {
        return -1;
    }
    rsec_status status = rsec_writer_begin(writer, buf, RSEC_PACKET_MAX, code, id, authenticator);
    if (status == RSEC_OK && rsec_py_packet_write_attrs(self, writer) < 0) {
        return -1;
    }
    if (status == RSEC_OK && is_signed) {
        (void)rsec_writer_message_auth(writer);
    }
    status = status == RSEC_OK ? rsec_writer_finish(writer) : status;
    if (status != RSEC_OK) {
        (void)rsec_py_fail(self->state, status, "packet");
        return -1;
    }
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
    if (header_of(self, &code, &id) < 0 || rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    bool is_random = code == RSEC_ACCESS_REQUEST || code == RSEC_STATUS_SERVER;
    if (is_random) {
        header_authenticator(authenticator, header);
    }
    if (write_packet(self, &writer, buf, header) < 0) {
        return NULL;
    }
    rsec_status status = RSEC_OK;
    if (writer.message_auth_off != 0) {
        uint8_t mac[RSEC_AUTHENTICATOR_LEN];
        status = rsec_message_auth_compute(self->state->digest, rsec_view_of(buf, writer.len), writer.message_auth_off,
                                           header, secret, mac);
        memcpy(buf + writer.message_auth_off, mac, sizeof mac);
    }
    if (status == RSEC_OK && !is_random) {
        status = rsec_request_auth_sign(self->state->digest, buf, writer.len, secret);
    }
    if (status != RSEC_OK) {
        return rsec_py_fail(self->state, status, "request");
    }
    if (!is_random) {
        PyObject *digest = PyBytes_FromStringAndSize((char *)buf + 4, RSEC_AUTHENTICATOR_LEN);
        if (digest == NULL) {
            return NULL;
        }
        Py_XSETREF(self->authenticator, digest);
    }
    return rsec_py_bytes(rsec_view_of(buf, writer.len));
}

PyDoc_STRVAR(reply_packet_doc,
             "reply_packet()\n--\n\n"
             "The octets of the packet as a reply: its authenticator is the request's, the Response Authenticator is\n"
             "computed into the octets only (RFC 2865 §3). ValueError without an authenticator.");

static PyObject *packet_reply_packet(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    uint8_t buf[RSEC_PACKET_MAX], header[RSEC_AUTHENTICATOR_LEN];
    rsec_view secret, authenticator;
    rsec_writer writer;
    PyObject *octets = rsec_py_packet_authenticator(self);
    Py_XDECREF(octets);
    if (octets == NULL || octets == Py_None) {
        PyErr_SetString(PyExc_ValueError, "a reply needs the authenticator of its request");
        return NULL;
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    header_authenticator(authenticator, header);
    if (write_packet(self, &writer, buf, header) < 0) {
        return NULL;
    }
    long asked = self->original_code != NULL && PyLong_Check(self->original_code) ? PyLong_AsLong(self->original_code)
                                                                                  : 0;
    PyErr_Clear(); /* a number that is no code: that of no request */
    rsec_status status = rsec_reply_sign(self->state->digest, buf, writer.len, writer.message_auth_off,
                                         asked > 0 && asked <= 255 ? (uint8_t)asked : 0, header, secret);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(buf, writer.len))
                             : rsec_py_fail(self->state, status, "reply");
}

/* --- passwords --- */

static PyObject *packet_pw_crypt(PyObject *op, PyObject *password) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *bytes = rsec_py_encode(RSEC_TYPE_STRING, password, RSEC_PACKET_MAX);
    rsec_view secret, authenticator;
    uint8_t out[RSEC_PACKET_MAX + 16];
    size_t len = sizeof out;
    if (bytes == NULL || rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    rsec_status status = rsec_password_hide(self->state->digest, secret, authenticator, rsec_py_bytes_view(bytes), out,
                                            &len);
    Py_DECREF(bytes);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, len)) : rsec_py_fail(self->state, status, "password");
}

/* The clear octets without the padding; what is not UTF-8 is for Python to decide about. */
static PyObject *packet_pw_decrypt_octets(PyObject *op, PyObject *hidden) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    rsec_view secret, authenticator;
    uint8_t out[RSEC_PACKET_MAX];
    size_t len = sizeof out;
    if (!PyBytes_Check(hidden)) {
        return PyErr_Format(PyExc_TypeError, "expected the hidden password as bytes, found %.100s",
                            Py_TYPE(hidden)->tp_name);
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    rsec_status status = rsec_password_unhide(self->state->digest, secret, authenticator, rsec_py_bytes_view(hidden),
                                              out, &len);
    if (status != RSEC_OK) {
        return rsec_py_fail(self->state, status, "password");
    }
    while (len > 0 && out[len - 1] == 0) {
        len--;
    }
    PyObject *clear = rsec_py_bytes(rsec_view_of(out, len));
    OPENSSL_cleanse(out, len);
    return clear;
}

PyDoc_STRVAR(
    pw_decrypt_doc,
    "pw_decrypt(password)\n--\n\n"
    "The clear text of a User-Password's octets (RFC 2865 §5.2), without trailing NULs. Octets that are not UTF-8,\n"
    "most often because the shared secrets differ, are logged as a warning and decoded with what is valid.");

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

static PyObject *packet_salt(rsec_py_packet *self, PyObject *value, bool hides) {
    PyObject *bytes = rsec_py_encode(RSEC_TYPE_STRING, value, RSEC_ATTR_VALUE_MAX);
    rsec_view secret, authenticator;
    uint8_t out[RSEC_ATTR_VALUE_MAX + 3], salt[2];
    size_t len = sizeof out;
    rsec_status status = RSEC_CRYPTO;
    if (bytes == NULL || rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    if (!hides && self->request_authenticator != NULL && PyBytes_Check(self->request_authenticator)) {
        authenticator = rsec_py_bytes_view(self->request_authenticator);
    }
    rsec_view octets = rsec_py_bytes_view(bytes);
    if (!hides) {
        status = rsec_salted_unhide(self->state->digest, secret, authenticator, octets, out, &len);
    } else if (RAND_bytes(salt, sizeof salt) == 1) {
        status = rsec_salted_hide(self->state->digest, secret, authenticator, salt, octets, out, &len);
    }
    Py_DECREF(bytes);
    PyObject *result = status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, len))
                                         : rsec_py_fail(self->state, status, "salted value");
    OPENSSL_cleanse(out, sizeof out);
    return result;
}

static PyObject *packet_salt_crypt(PyObject *op, PyObject *value) {
    return packet_salt((rsec_py_packet *)op, value, true);
}

static PyObject *packet_salt_decrypt(PyObject *op, PyObject *value) {
    return packet_salt((rsec_py_packet *)op, value, false);
}

PyMethodDef rsec_py_packet_wire_methods[] = {
    {"_encode_request", packet_encode_request, METH_NOARGS, encode_request_doc},
    {"reply_packet", packet_reply_packet, METH_NOARGS, reply_packet_doc},
    {"_pw_crypt", packet_pw_crypt, METH_O, "_pw_crypt(password)\n--\n\nHides a password (RFC 2865 §5.2)."},
    {"_pw_decrypt", packet_pw_decrypt, METH_O, pw_decrypt_doc},
    {"salt_crypt", packet_salt_crypt, METH_O,
     "salt_crypt(value)\n--\n\nSalt and hidden octets of a value (RFC 2868 §3.5), at most 239 octets of it."},
    {"salt_decrypt", packet_salt_decrypt, METH_O,
     "salt_decrypt(value)\n--\n\nThe clear octets. PacketError when the salted octets do not decode."},
    {NULL, NULL, 0, NULL},
};
