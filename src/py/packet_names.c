/* What is in a packet, as keys() lists it: names where the dictionary has them. */
#include "py/packet.h"

/* `key` as keys() lists it: the name, or where there is none the key itself. New reference. *attribute is set, or NULL. */
static PyObject *shown_key(const rsec_py_tables *tables, PyObject *key, rsec_py_attribute **attribute) {
    int rc = rsec_py_tables_at(tables, key, attribute);
    return rc < 0 ? NULL : Py_NewRef(rc == 1 ? (*attribute)->name : key);
}

static PyObject *keys_stored(rsec_py_packet *self, const rsec_py_tables *tables) {
    PyObject *keys = rsec_py_packet_materialise(self) == 0 ? PyDict_Keys(self->store) : NULL;
    for (Py_ssize_t i = 0; keys != NULL && i < PyList_GET_SIZE(keys); i++) {
        rsec_py_attribute *attribute = NULL;
        PyObject *shown = shown_key(tables, PyList_GET_ITEM(keys, i), &attribute);
        if (shown != NULL) {
            (void)PyList_SetItem(keys, i, shown); /* the list is ours and long enough */
        } else {
            Py_CLEAR(keys);
        }
        Py_XDECREF(attribute);
    }
    return keys;
}

/* The keys of a packet straight from the octets received, when each type in them is a key of its own: 1 and *keys; 0 when
 * vendors' attributes, containers or what is to be left out (V11-3) are among them; -1. */
static int keys_received(rsec_py_packet *self, const rsec_py_tables *tables, PyObject **keys) {
    PyObject *raw = Py_NewRef(self->raw_packet), *list = PyList_New(0);
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(rsec_py_bytes_view(raw)));
    rsec_attr attr;
    uint64_t is_listed[4] = {0, 0, 0, 0};
    bool is_v11 = rsec_py_packet_is_v11(self);
    int rc = list != NULL ? 1 : -1;
    while (rc == 1 && rsec_attr_next(&walk, &attr) == RSEC_OK) {
        uint64_t bit = UINT64_C(1) << (attr.type & 63U);
        if ((is_listed[attr.type >> 6] & bit) != 0) {
            continue;
        }
        is_listed[attr.type >> 6] |= bit;
        rsec_py_attribute *attribute = NULL;
        PyObject *key = PyLong_FromLong(attr.type);
        PyObject *shown = key != NULL ? shown_key(tables, key, &attribute) : NULL;
        bool is_plain = attr.type != RSEC_ATTR_VENDOR_SPECIFIC &&
                        !(attr.type == RSEC_ATTR_MESSAGE_AUTHENTICATOR && is_v11) &&
                        (attribute == NULL || !rsec_py_attribute_is_container(attribute));
        if (shown == NULL || PyList_Append(list, shown) < 0) {
            rc = -1;
        } else if (!is_plain) {
            rc = 0;
        }
        Py_XDECREF(attribute);
        Py_XDECREF(key);
        Py_XDECREF(shown);
    }
    Py_DECREF(raw);
    *keys = rc == 1 ? list : NULL;
    if (rc != 1) {
        Py_XDECREF(list);
    }
    return rc;
}

PyObject *rsec_py_packet_names(rsec_py_packet *self) {
    rsec_py_tables tables;
    PyObject *keys = NULL;
    if (self->dict == NULL || self->dict == Py_None) {
        PyErr_SetString(PyExc_AttributeError, "the packet has no dictionary to take names from");
        return NULL;
    }
    if (rsec_py_tables_open(self->state, self->dict, &tables) < 0) {
        return NULL;
    }
    int rc = self->store == NULL ? keys_received(self, &tables, &keys) : 0;
    if (rc == 0) {
        keys = keys_stored(self, &tables);
    }
    rsec_py_tables_close(&tables);
    return keys;
}
