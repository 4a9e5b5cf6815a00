/* What a function of the METH_FASTCALL | METH_KEYWORDS kind was called with. Needs the GIL. */
#ifndef RSEC_PY_ARGUMENTS_H
#define RSEC_PY_ARGUMENTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* A function's name and those of its arguments, all of which go by position or by name; the first `required` have to be
 * there. */
typedef struct {
    const char *function;
    const char *const *names;
    int num, required;
} rsec_py_signature;

/* Sorts what a call was given into `given`, signature->num borrowed references that are NULL where there is none. -1 with a
 * TypeError for a name that is unknown, given twice or missing, and for too many. */
int rsec_py_arguments_take(const rsec_py_signature *signature, PyObject *const *args, Py_ssize_t num, PyObject *names,
                           PyObject **given);

#endif
