/* The packet as a mapping: by name to decoded values, by number or tuple to the octets (contract §8.2). */
#include "py/packet.h" /* Python.h comes before every system header */

#include "crypto/hide.h"
#include "py/dictionary.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

enum { NO_TAG = -1, TAG_MAX = 0x1f /* RFC 2868 §3.1: a first octet above this is data, not a tag */ };

/* What a name stands for. */
typedef struct {
    rsec_py_attribute *attribute; /* owned */
    PyObject *key;                /* owned */
    int tag;                      /* from "Name:tag", or NO_TAG */
} target;

/* Splits "Name:7" and looks "Name" up. 1, 0, -1 as rsec_py_attribute_find. */
static int find_tagged(rsec_py_packet *self, PyObject *name, target *found) {
    Py_ssize_t len = PyUnicode_GetLength(name);
    Py_ssize_t colon = PyUnicode_FindChar(name, ':', 0, len, -1);
    if (colon < 0) {
        return colon == -1 ? 0 : -1;
    }
    PyObject *base = PyUnicode_Substring(name, 0, colon), *text = PyUnicode_Substring(name, colon + 1, len);
    PyObject *number = text != NULL ? PyLong_FromUnicodeObject(text, 10) : NULL;
    long tag = number != NULL ? PyLong_AsLong(number) : -1;
    int rc = base != NULL && text != NULL ? 0 : -1;
    if (rc == 0 && (PyErr_Occurred() != NULL || tag < 0 || tag > 255)) {
        PyErr_Clear(); /* not a tag: no such name */
    } else if (rc == 0) {
        rc = rsec_py_attribute_find(self->state, self->dict, base, &found->attribute, &found->key);
        found->tag = (int)tag;
    }
    Py_XDECREF(base);
    Py_XDECREF(text);
    Py_XDECREF(number);
    return rc;
}

/* 1: found, `found->key` to be released; 0: unknown name; -1: exception, AttributeError when there is no dictionary. */
static int find(rsec_py_packet *self, PyObject *name, target *found) {
    *found = (target){NULL, NULL, NO_TAG};
    if (self->dict == NULL || self->dict == Py_None) {
        PyErr_Format(PyExc_AttributeError, "the packet has no dictionary to look %R up in", name);
        return -1;
    }
    int rc = rsec_py_attribute_find(self->state, self->dict, name, &found->attribute, &found->key);
    return rc != 0 ? rc : find_tagged(self, name, found);
}

static void release(target *at) {
    Py_CLEAR(at->attribute);
    Py_CLEAR(at->key);
}

/* --- reading --- */

/* Uncovers a salted value; new bytes. */
static PyObject *unhide_salted(rsec_py_packet *self, const target *at, rsec_view octets) {
    rsec_view secret, authenticator;
    uint8_t plain[256];
    size_t len = sizeof plain;
    if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    if (self->request_authenticator != NULL && PyBytes_Check(self->request_authenticator)) {
        authenticator = rsec_py_bytes_view(self->request_authenticator);
    }
    rsec_status status = rsec_salted_unhide(self->state->digest, secret, authenticator, octets, plain, &len);
    if (status != RSEC_OK) {
        const char *name = PyUnicode_AsUTF8(at->attribute->name);
        return name != NULL ? rsec_py_fail(self->state, status, name) : NULL;
    }
    PyObject *value = rsec_py_attribute_decode(self->state, at->attribute, rsec_view_of(plain, len));
    OPENSSL_cleanse(plain, sizeof plain);
    return value;
}

/* Hides clear text as User-Password is; new bytes. */
static PyObject *hide_password(rsec_py_packet *self, PyObject *text) {
    rsec_view secret, authenticator;
    uint8_t out[RSEC_ATTR_VALUE_MAX];
    size_t len = sizeof out;
    Py_ssize_t text_len;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, &text_len);
    if (utf8 == NULL || rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
        return NULL;
    }
    rsec_status status = rsec_password_hide(self->state->digest, secret, authenticator,
                                            rsec_view_of(utf8, (size_t)text_len), out, &len);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, len)) : rsec_py_fail(self->state, status, "password");
}

/* The value of one attribute's octets, without its tag. NULL without an exception: it carries another tag. */
static PyObject *decode_one(rsec_py_packet *self, const target *at, rsec_view octets) {
    const rsec_py_attribute *attribute = at->attribute;
    uint8_t untagged[4];
    if (attribute->has_tag && octets.len > 0) {
        bool is_number = attribute->type == RSEC_TYPE_INTEGER && attribute->encrypt == 0;
        bool is_tagged = octets.ptr[0] <= TAG_MAX;
        if (at->tag != NO_TAG && (!is_tagged || octets.ptr[0] != at->tag)) {
            return NULL;
        }
        if (is_number && octets.len == 4) {
            memcpy(untagged, octets.ptr, 4);
            untagged[0] = 0;
            octets = rsec_view_of(untagged, 4);
        } else if (is_tagged) {
            octets = rsec_view_part(octets, 1, octets.len - 1);
        }
    } else if (at->tag != NO_TAG && !(octets.len > 0 && octets.ptr[0] == at->tag)) {
        return NULL;
    }
    if (attribute->encrypt == 1) {
        return rsec_py_bytes(octets); /* what pw_decrypt takes, always */
    }
    if (attribute->encrypt == 2) {
        return unhide_salted(self, at, octets);
    }
    return rsec_py_attribute_decode(self->state, attribute, octets);
}

static int append_decoded(rsec_py_packet *self, const target *at, rsec_view octets, PyObject *list) {
    PyObject *value = decode_one(self, at, octets);
    if (value == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    int rc = PyList_Append(list, value);
    Py_DECREF(value);
    return rc;
}

/* The values of one attribute of the top level, straight from the octets received. */
static int read_received(rsec_py_packet *self, const target *at, uint8_t type, PyObject *list) {
    PyObject *raw = Py_NewRef(self->raw_packet);
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(rsec_py_bytes_view(raw)));
    rsec_attr attr;
    int rc = 0;
    uint8_t joined[RSEC_PACKET_MAX];
    size_t joined_len = 0;
    bool is_there = false;
    while (rc == 0 && rsec_attr_next(&walk, &attr) == RSEC_OK) {
        if (attr.type != type) {
            continue;
        }
        is_there = true;
        if (!at->attribute->concat) {
            rc = append_decoded(self, at, attr.value, list);
        } else if (attr.value.len > 0) {
            memcpy(joined + joined_len, attr.value.ptr, attr.value.len); /* parts of a packet: they fit */
            joined_len += attr.value.len;
        }
    }
    if (rc == 0 && at->attribute->concat && is_there) {
        rc = append_decoded(self, at, rsec_view_of(joined, joined_len), list);
    }
    Py_DECREF(raw);
    return rc;
}

static int read_stored(rsec_py_packet *self, const target *at, PyObject *list) {
    PyObject *stored = Py_XNewRef(PyDict_GetItemWithError(self->store, at->key));
    if (stored == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (!PyList_Check(stored)) {
        PyErr_Format(PyExc_TypeError, "attribute %S: expected a list of bytes in the packet, found %.100s",
                     at->attribute->name, Py_TYPE(stored)->tp_name);
        Py_DECREF(stored);
        return -1;
    }
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(stored); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(stored, i));
        PyObject *bytes = PyUnicode_Check(element) ? hide_password(self, element) : Py_NewRef(element);
        if (bytes != NULL && !PyBytes_Check(bytes)) {
            PyErr_Format(PyExc_TypeError, "attribute %S: expected bytes in the packet, found %.100s",
                         at->attribute->name, Py_TYPE(bytes)->tp_name);
            rc = -1;
        } else {
            rc = bytes != NULL ? append_decoded(self, at, rsec_py_bytes_view(bytes), list) : -1;
        }
        Py_XDECREF(bytes);
        Py_DECREF(element);
    }
    Py_DECREF(stored);
    return rc;
}

/* The decoded values of what `at` names; an empty list when there are none. */
static PyObject *read_values(rsec_py_packet *self, const target *at) {
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    int rc;
    if (self->store == NULL && PyLong_CheckExact(at->key)) {
        long type = PyLong_AsLong(at->key);
        rc = type >= 0 && type <= 255 ? read_received(self, at, (uint8_t)type, list) : 0;
    } else {
        rc = rsec_py_packet_materialise(self);
        rc = rc == 0 ? read_stored(self, at, list) : rc;
    }
    if (rc < 0) {
        Py_CLEAR(list);
    }
    return list;
}

PyObject *rsec_py_packet_subscript(PyObject *op, PyObject *key) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (!PyUnicode_Check(key)) {
        if (rsec_py_packet_materialise(self) < 0) {
            return NULL;
        }
        PyObject *store = Py_NewRef(self->store); /* a key's own code may clear the packet */
        PyObject *stored = Py_XNewRef(PyDict_GetItemWithError(store, key));
        Py_DECREF(store);
        if (stored == NULL && PyErr_Occurred() == NULL) {
            PyErr_SetObject(PyExc_KeyError, key);
        }
        return stored;
    }
    target at;
    int found = find(self, key, &at);
    if (found <= 0) {
        if (found == 0) {
            PyErr_SetObject(PyExc_KeyError, key);
        }
        return NULL;
    }
    PyObject *list = read_values(self, &at);
    if (list != NULL && PyList_GET_SIZE(list) == 0) {
        PyErr_SetObject(PyExc_KeyError, at.key);
        Py_CLEAR(list);
    }
    release(&at);
    return list;
}

/* --- writing --- */

/* The element for `value` as the store keeps it. */
static PyObject *encode_one(rsec_py_packet *self, const target *at, PyObject *value) {
    const rsec_py_attribute *attribute = at->attribute;
    if (attribute->encrypt == 1 && PyUnicode_Check(value)) {
        return Py_NewRef(value); /* hidden when the packet is serialised */
    }
    PyObject *bytes = rsec_py_attribute_encode(self->state, attribute, value);
    if (bytes == NULL || (attribute->encrypt != 2 && at->tag == NO_TAG)) {
        return bytes;
    }
    uint8_t out[RSEC_ATTR_VALUE_MAX];
    size_t len = 0;
    rsec_view octets = rsec_py_bytes_view(bytes);
    rsec_status status = RSEC_OK;
    if (at->tag != NO_TAG && attribute->encrypt != 2 && attribute->type == RSEC_TYPE_INTEGER && octets.len == 4) {
        memcpy(out, octets.ptr, 4); /* RFC 2868 §3.1: the tag takes the first of the four octets */
        out[0] = (uint8_t)at->tag;
        Py_DECREF(bytes);
        return rsec_py_bytes(rsec_view_of(out, 4));
    }
    size_t head = at->tag != NO_TAG ? 1 : 0;
    out[0] = (uint8_t)(at->tag != NO_TAG ? at->tag : 0);
    if (attribute->encrypt == 2) {
        rsec_view secret, authenticator;
        uint8_t salt[2];
        if (rsec_py_packet_keys(self, &secret, &authenticator) < 0) {
            Py_DECREF(bytes);
            return NULL;
        }
        len = sizeof out - head;
        status = RAND_bytes(salt, sizeof salt) != 1
                     ? RSEC_CRYPTO
                     : rsec_salted_hide(self->state->digest, secret, authenticator, salt, octets, out + head, &len);
    } else if (octets.len + head > sizeof out) {
        status = RSEC_TOO_LONG;
    } else {
        memcpy(out + head, octets.ptr, octets.len);
        len = octets.len;
    }
    Py_DECREF(bytes);
    if (status != RSEC_OK) {
        return PyErr_Format(PyExc_ValueError, "attribute %S: %s", attribute->name, rsec_status_text(status));
    }
    return rsec_py_bytes(rsec_view_of(out, len + head));
}

/* Appends the element or elements for `value`, a scalar, list or tuple, to `list`. */
static int encode_all(rsec_py_packet *self, const target *at, PyObject *value, PyObject *list) {
    bool is_many = PyList_Check(value) || PyTuple_Check(value);
    /* The values' own code may change the list that they are in: neither its length nor its hold on them is relied on. */
    for (Py_ssize_t i = 0; i < (is_many ? PySequence_Fast_GET_SIZE(value) : 1); i++) {
        PyObject *one = Py_NewRef(is_many ? PySequence_Fast_GET_ITEM(value, i) : value);
        PyObject *element = encode_one(self, at, one);
        Py_DECREF(one);
        int rc = element != NULL ? PyList_Append(list, element) : -1;
        Py_XDECREF(element);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

/* A change makes the octets received a thing of the past for everything but verification. */
static int set_named(rsec_py_packet *self, PyObject *name, PyObject *value, bool appends) {
    target at;
    int found = find(self, name, &at);
    if (found <= 0) {
        if (found == 0) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return -1;
    }
    int rc = rsec_py_packet_materialise(self);
    PyObject *list = NULL, *store = rc == 0 ? Py_NewRef(self->store) : NULL; /* values may have code of their own */
    if (rc == 0 && appends) {
        list = Py_XNewRef(PyDict_GetItemWithError(store, at.key));
        rc = PyErr_Occurred() != NULL ? -1 : 0;
    }
    bool is_new = list == NULL;
    if (rc == 0 && is_new) {
        list = PyList_New(0);
    }
    if (rc == 0 && list != NULL && !PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "attribute %R holds a %.100s that nothing can be added to", name,
                     Py_TYPE(list)->tp_name);
        rc = -1;
    }
    rc = rc == 0 && list != NULL ? encode_all(self, &at, value, list) : -1;
    if (rc == 0 && is_new) {
        rc = PyDict_SetItem(store, at.key, list);
    }
    Py_XDECREF(store);
    Py_XDECREF(list);
    release(&at);
    return rc;
}

int rsec_py_packet_add(rsec_py_packet *self, PyObject *name, PyObject *value) {
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_AttributeError, "add_attribute takes a name, found %.100s", Py_TYPE(name)->tp_name);
        return -1;
    }
    return set_named(self, name, value, true);
}

/* The storage key of what names or numbers it: 1 with a new reference, 0 for an unknown name, -1. */
static int key_of(rsec_py_packet *self, PyObject *name, PyObject **key) {
    if (!PyUnicode_Check(name)) {
        *key = Py_NewRef(name);
        return 1;
    }
    target at;
    int found = find(self, name, &at);
    *key = at.key;
    Py_XDECREF(at.attribute);
    return found;
}

int rsec_py_packet_ass_subscript(PyObject *op, PyObject *name, PyObject *value) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (value != NULL && PyUnicode_Check(name)) {
        return set_named(self, name, value, false);
    }
    PyObject *key;
    int rc = key_of(self, name, &key);
    if (rc <= 0) {
        if (rc == 0) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return -1;
    }
    rc = rsec_py_packet_materialise(self);
    if (rc == 0) {
        PyObject *store = Py_NewRef(self->store);
        rc = value != NULL ? PyDict_SetItem(store, key, value) : PyDict_DelItem(store, key);
        Py_DECREF(store);
    }
    Py_DECREF(key);
    return rc;
}

/* --- the rest of the mapping --- */

/* Whether the store has `key`, whose own code may clear the packet meanwhile. */
static int stored(rsec_py_packet *self, PyObject *key) {
    if (rsec_py_packet_materialise(self) < 0) {
        return -1;
    }
    PyObject *store = Py_NewRef(self->store);
    int rc = PyDict_Contains(store, key);
    Py_DECREF(store);
    return rc;
}

int rsec_py_packet_contains(PyObject *op, PyObject *name) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    target at;
    if (!PyUnicode_Check(name)) {
        return stored(self, name);
    }
    int rc = find(self, name, &at);
    if (rc != 1) {
        return rc;
    }
    if (at.tag != NO_TAG) {
        PyObject *list = read_values(self, &at);
        rc = list != NULL ? PyList_GET_SIZE(list) > 0 : -1;
        Py_XDECREF(list);
    } else if (self->store == NULL && PyLong_CheckExact(at.key)) {
        long type = PyLong_AsLong(at.key);
        rc = type >= 0 && type <= 255 ? rsec_py_packet_has(self, (uint8_t)type) : 0;
    } else {
        rc = stored(self, at.key);
    }
    release(&at);
    return rc;
}

int rsec_py_packet_has(rsec_py_packet *self, uint8_t type) {
    if (self->store == NULL) {
        rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(rsec_py_bytes_view(self->raw_packet)));
        rsec_attr attr;
        while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
            if (attr.type == type) {
                return 1;
            }
        }
        return 0;
    }
    PyObject *key = PyLong_FromLong(type);
    int rc = key != NULL ? PyDict_Contains(self->store, key) : -1;
    Py_XDECREF(key);
    return rc;
}

Py_ssize_t rsec_py_packet_length(PyObject *op) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? -1 : PyDict_GET_SIZE(self->store);
}

PyObject *rsec_py_packet_iter(PyObject *op) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : PyObject_GetIter(self->store);
}

PyObject *rsec_py_packet_richcompare(PyObject *op, PyObject *other, int how) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (how != Py_EQ && how != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (rsec_py_packet_materialise(self) < 0) {
        return NULL;
    }
    PyObject *store = Py_NewRef(self->store), *its = NULL; /* comparing may run code that clears the packets */
    if (rsec_py_packet_is(self->state, other)) {
        its = rsec_py_packet_materialise((rsec_py_packet *)other) < 0 ? NULL
                                                                      : Py_NewRef(((rsec_py_packet *)other)->store);
    } else {
        its = Py_NewRef(PyDict_Check(other) ? other : Py_NotImplemented);
    }
    PyObject *result = its == NULL || its == Py_NotImplemented ? Py_XNewRef(its)
                                                               : PyObject_RichCompare(store, its, how);
    Py_DECREF(store);
    Py_XDECREF(its);
    return result;
}

/* The names of storage keys: the dict behind attrindex.backward, or NULL without an exception when there is none. */
static PyObject *names_by_key(rsec_py_packet *self) {
    if (self->dict == NULL || self->dict == Py_None) {
        PyErr_SetString(PyExc_AttributeError, "the packet has no dictionary to take names from");
        return NULL;
    }
    return rsec_py_dictionary_names(self->state, self->dict);
}

static PyObject *packet_keys(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *names = rsec_py_packet_materialise(self) == 0 ? names_by_key(self) : NULL;
    PyObject *keys = names != NULL ? PyDict_Keys(self->store) : NULL;
    for (Py_ssize_t i = 0; keys != NULL && i < PyList_GET_SIZE(keys); i++) {
        PyObject *name = PyObject_GetItem(names, PyList_GET_ITEM(keys, i));
        if (name != NULL) {
            (void)PyList_SetItem(keys, i, name); /* the list is ours and long enough: cannot fail */
        } else if (PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear(); /* nameless: the key stays */
        } else {
            Py_CLEAR(keys);
        }
    }
    Py_XDECREF(names);
    return keys;
}

static PyObject *packet_items(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : PyObject_CallMethod(self->store, "items", NULL);
}

static PyObject *packet_values(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : PyObject_CallMethod(self->store, "values", NULL);
}

static PyObject *packet_get(PyObject *op, PyObject *const *args, Py_ssize_t num) {
    if (num < 1 || num > 2) {
        return PyErr_Format(PyExc_TypeError, "get takes a key and a default, found %zd arguments", num);
    }
    PyObject *value = rsec_py_packet_subscript(op, args[0]);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        return Py_NewRef(num == 2 ? args[1] : Py_None);
    }
    return value;
}

static PyObject *packet_has_key(PyObject *op, PyObject *key) {
    int rc = rsec_py_packet_contains(op, key);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *packet_add_attribute(PyObject *op, PyObject *const *args, Py_ssize_t num) {
    if (num != 2) {
        return PyErr_Format(PyExc_TypeError, "add_attribute takes a name and a value, found %zd arguments", num);
    }
    return rsec_py_packet_add((rsec_py_packet *)op, args[0], args[1]) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *packet_clear_all(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *store = PyDict_New();
    if (store == NULL) {
        return NULL;
    }
    Py_XSETREF(self->store, store);
    Py_RETURN_NONE;
}

static PyObject *packet_store(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : Py_NewRef(self->store);
}

PyMethodDef rsec_py_packet_map_methods[] = {
    {"keys", packet_keys, METH_NOARGS,
     "keys()\n--\n\nA list: names where the dictionary knows the key, storage keys otherwise."},
    {"items", packet_items, METH_NOARGS, "items()\n--\n\nStorage keys and lists of octets."},
    {"values", packet_values, METH_NOARGS, "values()\n--\n\nLists of octets."},
    {"get", (PyCFunction)(void (*)(void))packet_get, METH_FASTCALL,
     "get(key, failobj=None)\n--\n\nAs packet[key], with failobj instead of a KeyError."},
    {"has_key", packet_has_key, METH_O, "has_key(key)\n--\n\nThe same as `key in packet`."},
    {"add_attribute", (PyCFunction)(void (*)(void))packet_add_attribute, METH_FASTCALL,
     "add_attribute(name, value)\n--\n\nAppends a value, or each of a list or tuple. KeyError for an unknown name."},
    {"clear", packet_clear_all, METH_NOARGS, "clear()\n--\n\nRemoves all attributes."},
    {"_store", packet_store, METH_NOARGS, "_store()\n--\n\nThe dict of storage key -> list of octets itself."},
    {NULL, NULL, 0, NULL},
};
