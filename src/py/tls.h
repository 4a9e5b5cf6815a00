/* TLS: a server's TLS context as a Python object, made from what the Python side found in its ssl.SSLContext. */
#ifndef RSEC_PY_TLS_H
#define RSEC_PY_TLS_H

#include "py/state.h" /* Python.h comes before every system header */

#include "net/tls.h"

/* The context inside a TLS object, borrowed; NULL with a TypeError for anything else. */
rsec_tls *rsec_py_tls_of(PyObject *op);

/* TLS(...) as a module function. */
extern PyMethodDef rsec_py_tls_function;

#endif
