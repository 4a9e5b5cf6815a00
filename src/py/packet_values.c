#include "py/packet_values.h"

#include "crypto/hide.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

/* --- names --- */

/* Splits "Name:7" and looks "Name" up. 1, 0, -1 as rsec_py_place_find. */
static int find_tagged(rsec_py_packet *self, PyObject *name, rsec_py_target *target) {
    Py_ssize_t len = PyUnicode_GetLength(name);
    Py_ssize_t colon = PyUnicode_FindChar(name, ':', 0, len, -1);
    if (colon < 0) {
        return colon == -1 ? 0 : -1;
    }
    PyObject *base = PyUnicode_Substring(name, 0, colon), *text = PyUnicode_Substring(name, colon + 1, len);
    PyObject *number = text != NULL ? PyLong_FromUnicodeObject(text, 10) : NULL;
    long tag = number != NULL ? PyLong_AsLong(number) : -1;
    int rc = base != NULL && text != NULL ? 0 : -1;
    bool is_number = PyErr_Occurred() == NULL;
    if (rc == 0 && !is_number && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        rc = -1;
    } else if (rc == 0 && (!is_number || tag < 0 || tag > 255)) {
        PyErr_Clear(); /* not a tag: no such name */
    } else if (rc == 0) {
        rc = rsec_py_place_find(self->state, self->dict, base, &target->place);
        target->tag = (int)tag;
    }
    Py_XDECREF(base);
    Py_XDECREF(text);
    Py_XDECREF(number);
    return rc;
}

int rsec_py_target_find(rsec_py_packet *self, PyObject *name, rsec_py_target *target) {
    target->tag = RSEC_PY_NO_TAG;
    target->place.attribute = NULL;
    target->place.key = NULL;
    if (self->dict == NULL || self->dict == Py_None) {
        PyErr_Format(PyExc_AttributeError, "the packet has no dictionary to look %R up in", name);
        return -1;
    }
    int rc = rsec_py_place_find(self->state, self->dict, name, &target->place);
    return rc != 0 ? rc : find_tagged(self, name, target);
}

void rsec_py_target_release(rsec_py_target *target) {
    rsec_py_place_release(&target->place);
}

/* --- places --- */

/* The attribute around `attribute`, `levels` up. Borrowed: the caller holds `attribute`, which holds those around it. */
static const rsec_py_attribute *attribute_above(rsec_py_state *state, const rsec_py_attribute *attribute,
                                                unsigned levels) {
    while (levels-- > 0 && attribute->parent != NULL && PyObject_TypeCheck(attribute->parent, state->attribute_type)) {
        attribute = (const rsec_py_attribute *)attribute->parent;
    }
    return attribute;
}

/* What stands at level `i` of `place`, under that level's key, as a dict: the stored one, one of what is stored as octets, or
 * with `creates` an empty one. 1 and a new reference, 0, -1. */
static int open_level(rsec_py_packet *self, const rsec_py_place *place, unsigned i, bool creates, PyObject *stored,
                      PyObject **inside) {
    if (stored == NULL) {
        *inside = creates ? PyDict_New() : NULL;
        return *inside != NULL ? 1 : creates ? -1 : 0;
    }
    const rsec_py_attribute *above = attribute_above(self->state, place->attribute, place->depth - i);
    Py_INCREF(above);
    *inside = rsec_py_container_open(self, above, stored, i + 1);
    Py_DECREF(above);
    return *inside != NULL ? 1 : -1;
}

int rsec_py_path_open(rsec_py_packet *self, PyObject *store, const rsec_py_place *place, bool creates,
                      rsec_py_path *path) {
    int rc = 1;
    *path = (rsec_py_path){.joint = -1};
    path->holders[0] = Py_NewRef(store);
    path->keys[0] = Py_NewRef(place->key);
    for (unsigned i = 0; rc == 1 && i < place->depth; i++) {
        PyObject *inside = NULL;
        PyObject *stored = Py_XNewRef(PyDict_GetItemWithError(path->holders[i], path->keys[i]));
        rc = stored == NULL && PyErr_Occurred() != NULL ? -1 : open_level(self, place, i, creates, stored, &inside);
        if (rc == 1 && inside != stored && path->joint < 0) {
            path->joint = (int)i;
        } else if (rc == 1 && inside != stored) {
            rc = PyDict_SetItem(path->holders[i], path->keys[i], inside) < 0 ? -1 : 1; /* nobody sees it yet */
        }
        Py_XDECREF(stored);
        path->depth = i + 1;
        path->holders[i + 1] = inside;
        path->keys[i + 1] = rc == 1 ? PyLong_FromLong(place->codes[i]) : NULL;
        rc = rc == 1 && path->keys[i + 1] == NULL ? -1 : rc;
    }
    if (rc != 1) {
        rsec_py_path_close(path);
    }
    return rc;
}

int rsec_py_path_join(const rsec_py_path *path) {
    return path->joint < 0
               ? 0
               : PyDict_SetItem(path->holders[path->joint], path->keys[path->joint], path->holders[path->joint + 1]);
}

void rsec_py_path_close(rsec_py_path *path) {
    for (unsigned i = 0; i <= path->depth; i++) {
        Py_CLEAR(path->holders[i]);
        Py_CLEAR(path->keys[i]);
    }
}

/* --- hiding --- */

PyObject *rsec_py_password_hide(rsec_py_packet *self, PyObject *attribute, rsec_view clear) {
    rsec_view secret, authenticator;
    uint8_t out[RSEC_ATTR_VALUE_MAX];
    size_t len = sizeof out;
    if (rsec_py_packet_is_v11(self)) {
        return rsec_py_bytes(clear); /* V11-3 */
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    rsec_status status = rsec_password_hide(self->state->digest, secret, authenticator, clear, out, &len);
    if (status == RSEC_TOO_LONG) {
        return PyErr_Format(self->state->packet_error,
                            "attribute %S: expected a password of at most 240 octets, found %zu", attribute, clear.len);
    }
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, len)) : rsec_py_fail(self->state, status, "password");
}

/* Uncovers a salted value and decodes it. */
static PyObject *unhide_salted(rsec_py_packet *self, const rsec_py_attribute *attribute, rsec_view octets) {
    rsec_view secret, authenticator;
    uint8_t plain[RSEC_PACKET_MAX];
    size_t len = sizeof plain;
    if (octets.len > sizeof plain) {
        return PyErr_Format(PyExc_ValueError, "attribute %S: %zu octets are more than a packet holds", attribute->name,
                            octets.len);
    }
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    if (self->request_authenticator != NULL && PyBytes_Check(self->request_authenticator)) {
        authenticator = rsec_py_bytes_view(self->request_authenticator);
    }
    rsec_status status = rsec_salted_unhide(self->state->digest, secret, authenticator, octets, plain, &len);
    if (status != RSEC_OK) {
        OPENSSL_cleanse(plain, octets.len);
        PyObject *text = PyObject_Str(attribute->name);
        const char *name = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
        if (name != NULL) {
            (void)rsec_py_fail(self->state, status, name);
        }
        Py_XDECREF(text);
        return NULL;
    }
    PyObject *value = rsec_py_attribute_decode(self->state, attribute, rsec_view_of(plain, len));
    OPENSSL_cleanse(plain, octets.len);
    return value;
}

static rsec_status hide_salted(rsec_py_packet *self, rsec_view clear, uint8_t *out, size_t *len) {
    rsec_view secret, authenticator;
    uint8_t salt[2];
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return RSEC_ABSENT; /* with an exception */
    }
    return RAND_bytes(salt, sizeof salt) != 1
               ? RSEC_CRYPTO
               : rsec_salted_hide(self->state->digest, secret, authenticator, salt, clear, out, len);
}

/* --- decoding --- */

static bool carries_tag(const rsec_py_attribute *attribute, int tag, rsec_view octets) {
    return octets.len > 0 && octets.ptr[0] == tag && (!attribute->has_tag || tag <= RSEC_PY_TAG_MAX);
}

PyObject *rsec_py_value_decode(rsec_py_packet *self, const rsec_py_attribute *attribute, int tag, rsec_view octets) {
    uint8_t untagged[4];
    if (tag != RSEC_PY_NO_TAG && !carries_tag(attribute, tag, octets)) {
        return NULL;
    }
    if (attribute->has_tag && octets.len > 0) {
        bool is_number = attribute->type == RSEC_TYPE_INTEGER && attribute->encrypt == 0;
        bool is_tagged = octets.ptr[0] <= RSEC_PY_TAG_MAX;
        if (is_number && octets.len == 4) {
            memcpy(untagged, octets.ptr, 4);
            untagged[0] = 0;
            octets = rsec_view_of(untagged, 4);
        } else if (is_tagged) {
            octets = rsec_view_part(octets, 1, octets.len - 1);
        }
    }
    if (attribute->encrypt == 1) {
        return rsec_py_bytes(octets); /* what pw_decrypt takes, always */
    }
    if (attribute->encrypt == 2 && !rsec_py_packet_is_v11(self)) {
        return unhide_salted(self, attribute, octets);
    }
    return rsec_py_attribute_decode(self->state, attribute, octets);
}

/* The element of a list in the store as octets: text under `encrypt=1` is hidden first. New bytes. */
static PyObject *octets_of(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *element) {
    if (PyUnicode_Check(element)) {
        Py_ssize_t len;
        const char *text = PyUnicode_AsUTF8AndSize(element, &len);
        return text != NULL ? rsec_py_password_hide(self, attribute->name, rsec_view_of(text, (size_t)len)) : NULL;
    }
    if (!PyBytes_Check(element)) {
        return PyErr_Format(PyExc_TypeError, "attribute %S: expected bytes in the packet, found %.100s",
                            attribute->name, Py_TYPE(element)->tp_name);
    }
    return Py_NewRef(element);
}

int rsec_py_value_append(rsec_py_packet *self, const rsec_py_attribute *attribute, int tag, rsec_view octets,
                         PyObject **list) {
    PyObject *value = rsec_py_value_decode(self, attribute, tag, octets);
    if (value == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (*list == NULL) {
        *list = PyList_New(1);
        if (*list != NULL) {
            PyList_SET_ITEM(*list, 0, value);
            return 0;
        }
    }
    int rc = *list != NULL ? PyList_Append(*list, value) : -1;
    Py_DECREF(value);
    return rc;
}

int rsec_py_values_decode(rsec_py_packet *self, const rsec_py_attribute *attribute, int tag, PyObject *stored,
                          PyObject **list) {
    if (!PyList_Check(stored)) {
        PyErr_Format(PyExc_TypeError, "attribute %S: expected a list of bytes in the packet, found %.100s",
                     attribute->name, Py_TYPE(stored)->tp_name);
        return -1;
    }
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(stored); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(stored, i));
        PyObject *bytes = octets_of(self, attribute, element);
        rc = bytes != NULL ? rsec_py_value_append(self, attribute, tag, rsec_py_bytes_view(bytes), list) : -1;
        Py_XDECREF(bytes);
        Py_DECREF(element);
    }
    return rc;
}

PyObject *rsec_py_values_replace(const rsec_py_attribute *attribute, int tag, PyObject *stored, PyObject *with,
                                 bool *is_found) {
    PyObject *list = PyList_New(0);
    Py_ssize_t place = -1;
    int rc = list != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(stored); i++) {
        PyObject *element = PyList_GET_ITEM(stored, i); /* nothing here runs code that could take it away */
        if (!PyBytes_Check(element) || !carries_tag(attribute, tag, rsec_py_bytes_view(element))) {
            rc = PyList_Append(list, element);
        } else if (place < 0) {
            place = PyList_GET_SIZE(list);
        }
    }
    *is_found = place >= 0;
    if (rc == 0 && with != NULL) {
        place = place >= 0 ? place : PyList_GET_SIZE(list);
        rc = PyList_SetSlice(list, place, place, with);
    }
    if (rc < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* --- encoding --- */

/* Most octets that one value of `target` may have. Where more than one attribute may carry it, the writer knows better.
 * SIZE_MAX with an exception. */
static size_t value_max(rsec_py_packet *self, const rsec_py_target *target) {
    const rsec_py_place *place = &target->place;
    if (place->attribute->concat || place->depth > 0) {
        return RSEC_PACKET_MAX;
    }
    if (!PyTuple_Check(place->key)) {
        return RSEC_ATTR_VALUE_MAX;
    }
    rsec_vendor_format format = {1, 1, true};
    if (PyTuple_GET_SIZE(place->key) == 2) {
        unsigned long vendor = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(place->key, 0));
        if (PyErr_Occurred() != NULL || rsec_py_vendor_format(self, (uint32_t)vendor, &format) < 0) {
            return SIZE_MAX;
        }
    }
    return format.has_more ? RSEC_PACKET_MAX : RSEC_ATTR_VALUE_MAX;
}

/* The element for `value` as the store keeps it. */
static PyObject *encode_one(rsec_py_packet *self, const rsec_py_target *target, PyObject *value, size_t max) {
    const rsec_py_attribute *attribute = target->place.attribute;
    bool is_tagged = target->tag != RSEC_PY_NO_TAG;
    bool is_salted = attribute->encrypt == 2 && !rsec_py_packet_is_v11(self);
    if (attribute->encrypt == 1 && PyUnicode_Check(value)) {
        return Py_NewRef(value); /* hidden when the packet is serialised */
    }
    PyObject *bytes = rsec_py_attribute_encode(self->state, attribute, value, max);
    if (bytes == NULL || (!is_salted && !is_tagged)) {
        return bytes;
    }
    uint8_t out[RSEC_PACKET_MAX];
    rsec_view octets = rsec_py_bytes_view(bytes);
    size_t head = is_tagged ? 1 : 0, len = max - head;
    rsec_status status = RSEC_OK;
    out[0] = (uint8_t)(is_tagged ? target->tag : 0);
    if (is_tagged && attribute->encrypt != 2 && attribute->type == RSEC_TYPE_INTEGER && octets.len == 4) {
        memcpy(out + 1, octets.ptr + 1, 3); /* RFC 2868 §3.1: the tag takes the first of the four octets */
        len = 3;
    } else if (is_salted) {
        status = hide_salted(self, octets, out + head, &len);
    } else if (octets.len > len) {
        status = RSEC_TOO_LONG;
    } else {
        len = octets.len;
        if (len > 0) {
            memcpy(out + head, octets.ptr, len);
        }
    }
    Py_DECREF(bytes);
    if (PyErr_Occurred() != NULL) {
        return NULL;
    }
    if (status != RSEC_OK) {
        return PyErr_Format(PyExc_ValueError, "attribute %S: %s", attribute->name, rsec_status_text(status));
    }
    return rsec_py_bytes(rsec_view_of(out, len + head));
}

PyObject *rsec_py_values_encode(rsec_py_packet *self, const rsec_py_target *target, PyObject *value) {
    size_t max = value_max(self, target);
    if (max == SIZE_MAX) {
        return NULL;
    }
    if (!PyList_Check(value) && !PyTuple_Check(value)) {
        PyObject *element = encode_one(self, target, value, max);
        PyObject *list = element != NULL ? PyList_New(1) : NULL;
        if (list == NULL) {
            Py_XDECREF(element);
            return NULL;
        }
        PyList_SET_ITEM(list, 0, element);
        return list;
    }
    PyObject *list = PyList_New(0);
    /* The values' own code may change the list that they are in: neither its length nor its hold on them is relied on. */
    for (Py_ssize_t i = 0; list != NULL && i < PySequence_Fast_GET_SIZE(value); i++) {
        PyObject *one = Py_NewRef(PySequence_Fast_GET_ITEM(value, i));
        PyObject *element = encode_one(self, target, one, max);
        Py_DECREF(one);
        if (element == NULL || PyList_Append(list, element) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(element);
    }
    return list;
}
