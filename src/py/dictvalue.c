/* VALUE: names of values, encoded from the text. */
#include "py/dictreader.h"

#include <stdlib.h>
#include <string.h>

/* Octets of a number of that type; negative when it has a sign; 0 for what is no number. */
static int number_len(const rsec_py_attribute *attribute) {
    switch (attribute->type) {
    case RSEC_TYPE_INTEGER:
    case RSEC_TYPE_DATE:
        return 4;
    case RSEC_TYPE_SIGNED:
        return -4;
    case RSEC_TYPE_SHORT:
        return 2;
    case RSEC_TYPE_BYTE:
        return 1;
    case RSEC_TYPE_INTEGER64:
        return 8;
    default:
        return attribute->number_len;
    }
}

/* Writes `number` in |len| octets; false when it does not fit. */
static bool put_number(int64_t number, int len, uint8_t octets[8], size_t *octets_len) {
    int bits = 8 * (len < 0 ? -len : len);
    if (bits < 64) {
        int64_t most = len < 0 ? ((int64_t)1 << (bits - 1)) - 1 : ((int64_t)1 << bits) - 1;
        int64_t least = len < 0 ? -most - 1 : 0;
        if (number < least || number > most) {
            return false;
        }
    } else if (len > 0 && number < 0) {
        return false;
    }
    *octets_len = (size_t)bits / 8;
    rsec_put_u64(octets, (uint64_t)number << (64 - bits));
    return true;
}

/* The value as pyradsec.tools encodes it, for what is no plain number: new bytes object. */
static PyObject *encode(const rsec_py_attribute *attribute, rsec_view text) {
    PyObject *value = rsec_py_dict_str(text);
    if (value != NULL && number_len(attribute) != 0) {
        PyObject *number = PyLong_FromUnicodeObject(value, 0);
        if (number == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear();
            number = PyLong_FromUnicodeObject(value, 10); /* leading zeros */
        }
        Py_SETREF(value, number);
    }
    if (value != NULL &&
        attribute->number_len != 0) { /* one without a type of its own: it was no number, or too large */
        PyErr_Format(PyExc_ValueError, "%R is out of range for %d octets", value, abs(attribute->number_len));
        Py_CLEAR(value);
    }
    PyObject *octets = value != NULL ? rsec_py_encode(attribute->type, value, RSEC_ATTR_VALUE_MAX) : NULL;
    Py_XDECREF(value);
    return octets;
}

/* NumberError for what encode raised, which becomes its cause. */
static int fail_value(rsec_py_reader *reader, rsec_py_attribute *attribute, rsec_view name, rsec_view text) {
    PyObject *type, *error, *traceback, *message = NULL;
    if (!PyErr_ExceptionMatches(PyExc_ValueError) && !PyErr_ExceptionMatches(PyExc_TypeError)) {
        return -1;
    }
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *shown_name = rsec_py_dict_str(name), *shown_text = rsec_py_dict_str(text);
    PyObject *file = PyUnicode_DecodeFSDefault(reader->file->name);
    if (shown_name != NULL && shown_text != NULL && file != NULL) {
        message = PyUnicode_FromFormat("VALUE %U of attribute %S: %R is no %s (%S)", shown_name, attribute->name,
                                       shown_text, rsec_data_type_name(attribute->type), error);
    }
    Py_XDECREF(shown_name);
    Py_XDECREF(shown_text);
    if (message != NULL) {
        PyErr_Restore(type, error, traceback);
        (void)rsec_py_dict_raise("NumberError", message, file, (long long)reader->file->line.number);
    } else {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    }
    Py_XDECREF(file);
    return -1;
}

int rsec_py_dict_add_value(rsec_py_reader *reader, rsec_py_attribute *attribute, rsec_view name, rsec_view text) {
    int len = number_len(attribute);
    uint8_t octets[8];
    size_t octets_len;
    int64_t number;
    if (len != 0 && rsec_dictline_number(text, &number) == RSEC_OK && put_number(number, len, octets, &octets_len)) {
        return rsec_py_attribute_add_value(reader->state, attribute, name, rsec_view_of(octets, octets_len));
    }
    PyObject *encoded = encode(attribute, text);
    if (encoded == NULL) {
        return fail_value(reader, attribute, name, text);
    }
    int rc = rsec_py_attribute_add_value(reader->state, attribute, name, rsec_py_bytes_view(encoded));
    Py_DECREF(encoded);
    return rc;
}

int rsec_py_dict_read_value(rsec_py_reader *reader, const rsec_dictline *line) {
    rsec_view name = line->words[1];
    if (reader->last == NULL || name.len != reader->last_name.len ||
        memcmp(name.ptr, reader->last_name.ptr, name.len) != 0) {
        /* Most VALUEs follow one of the same attribute, or the attribute itself; this is the first one. */
        PyObject *text = rsec_py_dict_str(name);
        int is_member = text == NULL ? -1 : reader->members != NULL ? PySet_Contains(reader->members, text) : 0;
        Py_XDECREF(text);
        if (is_member != 0) {
            return is_member < 0 ? -1 : 0;
        }
        rsec_py_attribute *found = rsec_py_dict_resolve(reader, name, reader->vendor);
        if (found == NULL) {
            return PyErr_Occurred() != NULL
                       ? -1
                       : rsec_py_dict_later(reader, RSEC_DICT_VALUE, name, line->words[2], line->words[3]);
        }
        Py_XSETREF(reader->last, found);
        reader->last_name = name;
    }
    return rsec_py_dict_add_value(reader, reader->last, line->words[2], line->words[3]);
}
