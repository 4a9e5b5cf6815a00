#include "py/arguments.h"

/* The place of the argument that a keyword names, or -1. */
static int place_of(const rsec_py_signature *signature, PyObject *keyword) {
    for (int i = 0; i < signature->num; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, signature->names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

int rsec_py_arguments_take(const rsec_py_signature *signature, PyObject *const *args, Py_ssize_t num, PyObject *names,
                           PyObject **given) {
    const char *function = signature->function;
    Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (num > signature->num) {
        PyErr_Format(PyExc_TypeError, "%s() takes %d arguments at most, found %zd", function, signature->num, num);
        return -1;
    }
    for (int i = 0; i < signature->num; i++) {
        given[i] = i < num ? args[i] : NULL;
    }
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(names, i);
        int place = place_of(signature, keyword);
        if (place < 0) {
            PyErr_Format(PyExc_TypeError, "%s() takes no argument %R", function, keyword);
            return -1;
        }
        if (given[place] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() was given %R twice", function, keyword);
            return -1;
        }
        given[place] = args[num + i];
    }
    for (int i = 0; i < signature->required; i++) {
        if (given[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() misses its argument '%s'", function, signature->names[i]);
            return -1;
        }
    }
    return 0;
}
