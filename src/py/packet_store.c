/* The store of a packet: what its octets hold, as a dict of storage keys (contract §8.2, §8.5). */
#include "py/packet.h" /* Python.h comes before every system header */

#include "py/dictionary.h"

/* Appends `octets` under `key` (a new reference, taken over). */
static int store_append(PyObject *store, PyObject *key, rsec_view octets) {
    PyObject *bytes = key != NULL ? rsec_py_bytes(octets) : NULL;
    PyObject *list = bytes != NULL ? PyDict_GetItemWithError(store, key) : NULL;
    int rc = -1;
    if (list != NULL) {
        rc = PyList_Append(list, bytes);
    } else if (bytes != NULL && PyErr_Occurred() == NULL && (list = PyList_New(1)) != NULL) {
        PyList_SET_ITEM(list, 0, Py_NewRef(bytes));
        rc = PyDict_SetItem(store, key, list);
        Py_DECREF(list);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(key);
    return rc;
}

int rsec_py_vendor_format(rsec_py_packet *self, uint32_t vendor, unsigned *type_len, unsigned *len_len) {
    *type_len = *len_len = 1;
    PyObject *formats = rsec_py_dictionary_vendor_formats(self->state, self->dict);
    if (formats == NULL) {
        PyErr_Clear(); /* a dictionary of some other make: the RFC's own format */
        return 0;
    }
    PyObject *id = NULL, *format = NULL;
    int rc = 0;
    if (PyDict_Check(formats) && PyDict_GET_SIZE(formats) > 0) {
        id = PyLong_FromUnsignedLong(vendor);
        format = id != NULL ? PyDict_GetItemWithError(formats, id) : NULL;
        rc = PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (format != NULL && PyTuple_Check(format) && PyTuple_GET_SIZE(format) >= 2) {
        *type_len = (unsigned)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(format, 0));
        *len_len = (unsigned)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(format, 1));
        if (PyErr_Occurred() != NULL) {
            rc = -1;
        }
    }
    Py_XDECREF(id);
    Py_DECREF(formats);
    return rc;
}

/* A number of 0, 1, 2 or 4 octets. */
static uint32_t read_number(const uint8_t *ptr, unsigned len) {
    return len == 4 ? rsec_get_u32(ptr) : len == 2 ? rsec_get_u16(ptr) : len == 1 ? *ptr : 0;
}

/* Whether `data` is made of whole vendor attributes of the given widths; appends them to `store` when that is not NULL. */
static int split_vendor(PyObject *store, uint32_t vendor, rsec_view data, unsigned type_len, unsigned len_len) {
    size_t off = 0, head = type_len + len_len;
    while (off < data.len) {
        if (data.len - off < head) {
            return 0;
        }
        uint32_t type = read_number(data.ptr + off, type_len);
        size_t len = len_len > 0 ? read_number(data.ptr + off + type_len, len_len) : data.len - off;
        if (len < head || len > data.len - off) {
            return 0;
        }
        if (store != NULL && store_append(store, Py_BuildValue("(kk)", (unsigned long)vendor, (unsigned long)type),
                                          rsec_view_of(data.ptr + off + head, len - head)) < 0) {
            return -1;
        }
        off += len;
    }
    return data.len > 0;
}

/* A Vendor-Specific attribute into its parts, or whole under 26 when it does not divide exactly (RFC 2865 §5.26). */
static int store_vendor(rsec_py_packet *self, PyObject *store, rsec_view value) {
    int is_split = 0;
    if (value.len >= 4 && self->dict != NULL && self->dict != Py_None) {
        uint32_t vendor = rsec_get_u32(value.ptr);
        rsec_view data = rsec_view_part(value, 4, value.len - 4);
        unsigned type_len, len_len;
        if (rsec_py_vendor_format(self, vendor, &type_len, &len_len) < 0) {
            return -1;
        }
        is_split = split_vendor(NULL, vendor, data, type_len, len_len);
        if (is_split == 1 && split_vendor(store, vendor, data, type_len, len_len) < 0) {
            return -1;
        }
    }
    return is_split == 1 ? 0 : store_append(store, PyLong_FromLong(RSEC_ATTR_VENDOR_SPECIFIC), value);
}

/* The values of an attribute that is one value over several attributes become one. */
static int join_concat(rsec_py_packet *self, PyObject *store) {
    PyObject *backward = self->dict != NULL && self->dict != Py_None ? rsec_py_dictionary_names(self->state, self->dict)
                                                                     : NULL;
    if (backward == NULL) {
        PyErr_Clear(); /* no dictionary, or not one of ours: nothing is known to be joined */
        return 0;
    }
    PyObject *key, *list;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(store, &pos, &key, &list)) {
        if (PyList_GET_SIZE(list) < 2) {
            continue;
        }
        PyObject *name = PyDict_GetItemWithError(backward, key), *found_key;
        rsec_py_attribute *attribute;
        if (name == NULL) {
            rc = PyErr_Occurred() != NULL ? -1 : 0;
            continue;
        }
        int found = rsec_py_attribute_find(self->state, self->dict, name, &attribute, &found_key);
        Py_XDECREF(found_key);
        rc = found < 0 ? -1 : 0;
        if (found == 1 && attribute->concat) {
            PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
            PyObject *joined = empty != NULL ? PyObject_CallMethod(empty, "join", "O", list) : NULL;
            Py_XDECREF(empty);
            rc = joined != NULL ? PyList_SetSlice(list, 1, PyList_GET_SIZE(list), NULL) : -1;
            rc = rc == 0 ? PyList_SetItem(list, 0, Py_NewRef(joined)) : rc;
            Py_XDECREF(joined);
        }
        Py_XDECREF(attribute);
    }
    Py_DECREF(backward);
    return rc;
}

int rsec_py_packet_materialise(rsec_py_packet *self) {
    if (self->store != NULL) {
        return 0;
    }
    PyObject *store = PyDict_New();
    if (store == NULL) {
        return -1;
    }
    PyObject *raw = Py_NewRef(self->raw_packet); /* a dictionary with code of its own may replace it meanwhile */
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(rsec_py_bytes_view(raw)));
    rsec_attr attr;
    int rc = 0;
    while (rc == 0 && rsec_attr_next(&walk, &attr) == RSEC_OK) {
        rc = attr.type == RSEC_ATTR_VENDOR_SPECIFIC ? store_vendor(self, store, attr.value)
                                                    : store_append(store, PyLong_FromLong(attr.type), attr.value);
    }
    if (rc == 0) {
        rc = join_concat(self, store);
    }
    Py_DECREF(raw);
    if (rc < 0) {
        Py_DECREF(store);
        return -1;
    }
    Py_XSETREF(self->store, store);
    return 0;
}
