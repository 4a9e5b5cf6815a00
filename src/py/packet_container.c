/* Containers as people see them: a dict of names, and of numbers where there are none, to values (contract §8.2). */
#include "py/packet_values.h"

/* What is under one code of a container: a dict, or a list of values. `inside` is NULL where the dictionary has no name. */
static PyObject *decode_inside(rsec_py_packet *self, const rsec_py_tables *tables, const rsec_py_attribute *inside,
                               PyObject *stored, unsigned depth) {
    if (PyDict_Check(stored) || (inside != NULL && inside->type == RSEC_TYPE_TLV)) {
        return rsec_py_container_decode(self, tables, inside, stored, depth);
    }
    if (inside == NULL) {
        return PySequence_List(stored); /* a copy: what is stored is had by number */
    }
    PyObject *list = NULL;
    if (rsec_py_values_decode(self, inside, RSEC_PY_NO_TAG, stored, &list) < 0) {
        Py_CLEAR(list);
        return NULL;
    }
    return list != NULL ? list : PyList_New(0);
}

/* A container as a dict of names, and of numbers where there are no names. */
PyObject *rsec_py_container_decode(rsec_py_packet *self, const rsec_py_tables *tables,
                                   const rsec_py_attribute *attribute, PyObject *stored, unsigned depth) {
    if (depth > RSEC_TLV_DEPTH_MAX) {
        return PyErr_Format(PyExc_ValueError, "expected at most %d containers in each other, found more",
                            RSEC_TLV_DEPTH_MAX);
    }
    PyObject *from = attribute != NULL ? rsec_py_container_open(self, attribute, stored, depth) : Py_NewRef(stored);
    PyObject *dict = from != NULL ? PyDict_New() : NULL, *code, *values;
    int rc = dict != NULL ? 0 : -1;
    Py_ssize_t pos = 0;
    while (rc == 0 && PyDict_Next(from, &pos, &code, &values)) {
        rsec_py_attribute *inside = NULL;
        PyObject *decoded = NULL, *label;
        Py_INCREF(code);
        Py_INCREF(values);
        long number = PyLong_Check(code) ? PyLong_AsLong(code) : -1;
        PyErr_Clear();
        rc = rsec_py_tables_inside(tables, attribute, number, &inside);
        label = Py_NewRef(inside != NULL ? inside->name : code); /* decoding may run code that replaces the name */
        decoded = rc >= 0 ? decode_inside(self, tables, inside, values, depth + 1) : NULL;
        rc = decoded != NULL ? PyDict_SetItem(dict, label, decoded) : -1;
        Py_DECREF(label);
        Py_XDECREF(decoded);
        Py_XDECREF(inside);
        Py_DECREF(code);
        Py_DECREF(values);
    }
    Py_XDECREF(from);
    if (rc < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* The attribute that `name` names inside `attribute`, and what the store keeps for `value` there. */
static int encode_named(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *name, PyObject *value,
                        unsigned depth, PyObject *dict) {
    rsec_py_target at;
    int found = rsec_py_target_find(self, name, &at);
    if (found <= 0) {
        if (found == 0) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return -1;
    }
    PyObject *encoded = NULL, *there = NULL, *code = Py_NewRef(at.place.attribute->code);
    if (at.place.attribute->parent != (const PyObject *)attribute) {
        PyErr_Format(PyExc_ValueError, "attribute %S: expected names of its own sub-attributes, found %R",
                     attribute->name, name);
    } else if (rsec_py_attribute_is_container(at.place.attribute)) {
        encoded = rsec_py_container_encode(self, at.place.attribute, value, depth + 1);
    } else {
        encoded = rsec_py_values_encode(self, &at, value);
    }
    int rc = encoded != NULL ? 0 : -1;
    if (rc == 0 && PyList_Check(encoded)) { /* "Name:1" and "Name:2" are values of one attribute */
        there = Py_XNewRef(PyDict_GetItemWithError(dict, code));
        rc = PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (rc == 0 && there != NULL && PyList_Check(there)) {
        rc = PyList_SetSlice(there, PyList_GET_SIZE(there), PyList_GET_SIZE(there), encoded);
    } else if (rc == 0) {
        rc = PyDict_SetItem(dict, code, encoded);
    }
    Py_XDECREF(there);
    Py_XDECREF(encoded);
    Py_DECREF(code);
    rsec_py_target_release(&at);
    return rc;
}

/* The same for a number. Where the dictionary has no name for it, values are octets. */
static int encode_numbered(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *code, PyObject *value,
                           unsigned depth, PyObject *dict) {
    rsec_py_tables tables;
    rsec_py_attribute *inside = NULL;
    long number = PyLong_Check(code) ? PyLong_AsLong(code) : -1;
    if (number < 0 || number > 255) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "a container's keys are names or numbers of 0 to 255, found %R", code);
        return -1;
    }
    if (rsec_py_tables_open(self->state, self->dict, &tables) < 0) {
        return -1;
    }
    int rc = rsec_py_tables_inside(&tables, attribute, number, &inside);
    rsec_py_tables_close(&tables);
    if (rc == 1) {
        PyObject *name = Py_NewRef(inside->name);
        rc = encode_named(self, attribute, name, value, depth, dict);
        Py_DECREF(name);
        Py_DECREF(inside);
        return rc;
    }
    PyObject *encoded = NULL;
    if (rc == 0 && PyDict_Check(value)) {
        encoded = rsec_py_container_encode(self, NULL, value, depth + 1);
    } else if (rc == 0 && (PyList_Check(value) || PyTuple_Check(value))) {
        encoded = PySequence_List(value);
    } else if (rc == 0 && (encoded = PyList_New(1)) != NULL) {
        PyList_SET_ITEM(encoded, 0, Py_NewRef(value));
    }
    for (Py_ssize_t i = 0; encoded != NULL && PyList_Check(encoded) && i < PyList_GET_SIZE(encoded); i++) {
        if (!PyBytes_Check(PyList_GET_ITEM(encoded, i))) {
            PyErr_Format(PyExc_TypeError,
                         "sub-attribute %ld, which the dictionary does not name: expected bytes, found %.100s", number,
                         Py_TYPE(PyList_GET_ITEM(encoded, i))->tp_name);
            Py_CLEAR(encoded);
        }
    }
    PyObject *key = encoded != NULL ? PyLong_FromLong(number) : NULL; /* an int, whatever kind of one `code` is */
    rc = key != NULL ? PyDict_SetItem(dict, key, encoded) : -1;
    Py_XDECREF(key);
    Py_XDECREF(encoded);
    return rc;
}

/* What the store keeps for a container: a new dict. `attribute` is NULL below a number without a name. */
PyObject *rsec_py_container_encode(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *value,
                                   unsigned depth) {
    if (depth > RSEC_TLV_DEPTH_MAX) {
        return PyErr_Format(PyExc_ValueError, "expected at most %d containers in each other, found more",
                            RSEC_TLV_DEPTH_MAX);
    }
    if (!PyDict_Check(value)) {
        return PyErr_Format(PyExc_TypeError, "attribute %S: expected a dict of sub-attributes, found %.100s",
                            attribute != NULL ? attribute->name : Py_None, Py_TYPE(value)->tp_name);
    }
    PyObject *items = PyDict_Items(value), *dict = items != NULL ? PyDict_New() : NULL;
    for (Py_ssize_t i = 0; dict != NULL && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i), *key = PyTuple_GET_ITEM(pair, 0), *one = PyTuple_GET_ITEM(pair, 1);
        int rc = PyUnicode_Check(key) && attribute != NULL ? encode_named(self, attribute, key, one, depth, dict)
                                                           : encode_numbered(self, attribute, key, one, depth, dict);
        if (rc < 0) {
            Py_CLEAR(dict);
        }
    }
    Py_XDECREF(items);
    return dict;
}

/* The elements of two lists in a new one. */
static PyObject *joined(PyObject *there, PyObject *added) {
    PyObject *list = PyList_GetSlice(there, 0, PyList_GET_SIZE(there));
    if (list != NULL && PyList_SetSlice(list, PyList_GET_SIZE(list), PyList_GET_SIZE(list), added) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

PyObject *rsec_py_container_merged(PyObject *there, PyObject *added) {
    PyObject *dict = PyDict_Copy(there), *code, *one;
    Py_ssize_t pos = 0;
    while (dict != NULL && PyDict_Next(added, &pos, &code, &one)) {
        PyObject *before = Py_XNewRef(PyDict_GetItemWithError(dict, code)), *value = NULL;
        if (before == NULL) {
            value = PyErr_Occurred() == NULL ? Py_NewRef(one) : NULL;
        } else if (PyDict_Check(before) && PyDict_Check(one)) {
            value = rsec_py_container_merged(before, one);
        } else if (PyList_Check(before) && PyList_Check(one)) {
            value = joined(before, one);
        } else {
            PyErr_Format(PyExc_TypeError, "sub-attribute %R: expected a %.100s in the packet, found a %.100s", code,
                         Py_TYPE(one)->tp_name, Py_TYPE(before)->tp_name);
        }
        if (value == NULL || PyDict_SetItem(dict, code, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
        Py_XDECREF(before);
    }
    return dict;
}
