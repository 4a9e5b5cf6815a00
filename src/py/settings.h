/* A server's settings and policy, from Python objects to the engine's structures. */
#ifndef RSEC_PY_SETTINGS_H
#define RSEC_PY_SETTINGS_H

#include "py/state.h" /* Python.h comes before every system header */

#include "net/settings.h"

/* Reads the attributes of `from` that are named as RadSecServer's settings are: seconds and counts, None for no limit. They
 * are in range: Python has looked. -1 with an exception. */
int rsec_py_settings_read(PyObject *from, rsec_settings *to);

/* Reads a dict of flags. KeyError names one that is missing. -1 with an exception. */
int rsec_py_policy_read(PyObject *from, rsec_policy *to);

#endif
