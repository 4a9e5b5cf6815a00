/* The attributes of a packet as octets: what stands in the store, written in its order (contract §8.5). */
#include "py/packet.h" /* Python.h comes before every system header */

#include "crypto/hide.h"
#include "py/dictionary.h"

#include <string.h>

static int fail_writer(rsec_py_packet *self, const rsec_writer *writer, PyObject *key) {
    PyObject *text = PyObject_Repr(key);
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    char what[96];
    (void)PyOS_snprintf(what, sizeof what, "attribute %s", utf8 != NULL ? utf8 : "?");
    Py_XDECREF(text);
    if (PyErr_Occurred() == NULL) {
        (void)rsec_py_fail(self->state, writer->status, what);
    }
    return -1;
}

/* The dictionary's entry for a storage key: 1 and a new reference, 0 when it has none, -1. */
static int attribute_of(rsec_py_packet *self, PyObject *key, rsec_py_attribute **attribute) {
    PyObject *names = NULL, *name = NULL, *found_key = NULL;
    int rc = 0;
    *attribute = NULL;
    if (self->dict == NULL || self->dict == Py_None) {
        return 0;
    }
    names = rsec_py_dictionary_names(self->state, self->dict);
    name = names != NULL ? PyObject_GetItem(names, key) : NULL;
    if (name != NULL) {
        rc = rsec_py_attribute_find(self->state, self->dict, name, attribute, &found_key);
    } else if (PyErr_ExceptionMatches(PyExc_KeyError) || PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* a key without a name, or a dictionary of some other make */
    } else {
        rc = -1;
    }
    Py_XDECREF(names);
    Py_XDECREF(name);
    Py_XDECREF(found_key);
    return rc;
}

/* Whether text under `key` is a password to be hidden: 1, 0, -1. */
static int takes_text(rsec_py_packet *self, PyObject *key) {
    rsec_py_attribute *attribute;
    if (PyLong_Check(key) && PyLong_AsLong(key) == RSEC_ATTR_USER_PASSWORD) {
        return 1;
    }
    int rc = attribute_of(self, key, &attribute);
    rc = rc == 1 ? attribute->encrypt == 1 : rc;
    Py_XDECREF(attribute);
    return rc;
}

/* Whether a long value under `key` may go over several attributes: 1, 0, -1. */
static int is_splittable(rsec_py_packet *self, PyObject *key) {
    rsec_py_attribute *attribute;
    if (PyLong_AsLong(key) == RSEC_ATTR_EAP_MESSAGE) { /* RFC 3579 §3.1, whether or not a dictionary says so */
        return 1;
    }
    int rc = attribute_of(self, key, &attribute);
    rc = rc == 1 ? attribute->concat : rc;
    Py_XDECREF(attribute);
    return rc;
}

/* Writes one value under a top-level type; over several attributes when it has more than 253 octets, which the caller has
 * looked at. */
static void write_value(rsec_writer *writer, uint8_t type, rsec_view octets) {
    if (type == RSEC_ATTR_MESSAGE_AUTHENTICATOR && octets.len == RSEC_AUTHENTICATOR_LEN) {
        (void)rsec_writer_message_auth(writer);
        return;
    }
    size_t off = 0;
    do {
        size_t len = octets.len - off < RSEC_ATTR_VALUE_MAX ? octets.len - off : RSEC_ATTR_VALUE_MAX;
        (void)rsec_writer_attr(writer, type, rsec_view_part(octets, off, len));
        off += len;
    } while (off < octets.len);
}

static void put_number(uint8_t *ptr, uint32_t value, unsigned len) {
    for (unsigned i = 0; i < len; i++) {
        ptr[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    }
}

static int write_vendor_value(rsec_py_packet *self, rsec_writer *writer, PyObject *key, rsec_view octets) {
    unsigned long vendor = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(key, 0));
    unsigned long type = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(key, 1));
    unsigned type_len, len_len;
    if (PyErr_Occurred() != NULL || rsec_py_vendor_format(self, (uint32_t)vendor, &type_len, &len_len) < 0) {
        return -1;
    }
    uint8_t data[RSEC_ATTR_VALUE_MAX];
    size_t head = type_len + len_len;
    if (head + octets.len > sizeof data - 4) {
        writer->status = writer->status == RSEC_OK ? RSEC_ATTR_VALUE : writer->status;
        return 0;
    }
    put_number(data, (uint32_t)type, type_len);
    put_number(data + type_len, (uint32_t)(head + octets.len), len_len);
    if (octets.len > 0) {
        memcpy(data + head, octets.ptr, octets.len);
    }
    (void)rsec_writer_vsa(writer, (uint32_t)vendor, rsec_view_of(data, head + octets.len));
    return 0;
}

/* Clear text of an encrypt=1 attribute, hidden now (RFC 2865 §5.2). */
static int write_password(rsec_py_packet *self, rsec_writer *writer, PyObject *key, rsec_view text) {
    rsec_view secret, authenticator;
    uint8_t hidden[RSEC_ATTR_VALUE_MAX];
    size_t len = sizeof hidden;
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return -1;
    }
    rsec_status status = rsec_password_hide(self->state->digest, secret, authenticator, text, hidden, &len);
    if (status == RSEC_TOO_LONG) {
        PyErr_Format(self->state->packet_error, "attribute %R: expected a password of at most 240 octets, found %zu",
                     key, text.len);
        return -1;
    }
    if (status != RSEC_OK) {
        (void)rsec_py_fail(self->state, status, "password");
        return -1;
    }
    if (PyTuple_Check(key)) {
        return write_vendor_value(self, writer, key, rsec_view_of(hidden, len));
    }
    write_value(writer, (uint8_t)PyLong_AsLong(key), rsec_view_of(hidden, len));
    return 0;
}

static int write_element(rsec_py_packet *self, rsec_writer *writer, PyObject *key, PyObject *element) {
    bool is_vendor = PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 2;
    long type = is_vendor ? 0 : PyLong_Check(key) ? PyLong_AsLong(key) : -1;
    if (type < 0 || type > 255) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "attribute key %R: expected 0 to 255 or (vendor, type)", key);
        return -1;
    }
    int is_text = PyUnicode_Check(element) ? takes_text(self, key) : 0;
    if (is_text < 0) {
        return -1;
    }
    if (is_text) {
        Py_ssize_t len;
        const char *text = PyUnicode_AsUTF8AndSize(element, &len);
        return text != NULL ? write_password(self, writer, key, rsec_view_of(text, (size_t)len)) : -1;
    }
    if (!PyBytes_Check(element)) {
        PyErr_Format(PyExc_TypeError, "attribute %R: expected bytes in the packet, found %.100s", key,
                     Py_TYPE(element)->tp_name);
        return -1;
    }
    if (is_vendor) {
        return write_vendor_value(self, writer, key, rsec_py_bytes_view(element));
    }
    if (PyBytes_GET_SIZE(element) > RSEC_ATTR_VALUE_MAX) {
        int splits = is_splittable(self, key);
        if (splits <= 0) {
            writer->status = splits == 0 && writer->status == RSEC_OK ? RSEC_ATTR_VALUE : writer->status;
            return splits;
        }
    }
    write_value(writer, (uint8_t)type, rsec_py_bytes_view(element));
    return 0;
}

static int write_list(rsec_py_packet *self, rsec_writer *writer, PyObject *key, PyObject *list) {
    if (!PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "attribute %R: expected a list of bytes in the packet, found %.100s", key,
                     Py_TYPE(list)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(list, i));
        int rc = write_element(self, writer, key, element);
        Py_DECREF(element);
        if (rc < 0) {
            return -1;
        }
        if (writer->status != RSEC_OK) {
            return fail_writer(self, writer, key);
        }
    }
    return 0;
}

int rsec_py_packet_write_attrs(rsec_py_packet *self, rsec_writer *writer) {
    if (rsec_py_packet_materialise(self) < 0) {
        return -1;
    }
    /* A dictionary with code of its own may change the packet meanwhile: what is read is held. */
    PyObject *store = Py_NewRef(self->store), *key, *list;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(store, &pos, &key, &list)) {
        Py_INCREF(key);
        Py_INCREF(list);
        rc = write_list(self, writer, key, list);
        Py_DECREF(key);
        Py_DECREF(list);
    }
    Py_DECREF(store);
    return rc;
}
