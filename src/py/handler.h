/* Handler: the coroutine of a HandlerTask, which hands on to the coroutine of a server's handler. The event loop's thread only.
 *
 * Most handlers answer without waiting for anything, and a task of their own would be the dearest part of their request. So a
 * task is made beforehand: it rests, on a future, until there is a handler that needs it. A handler's coroutine is given to it
 * with rsec_py_handler_start(), which runs the first step at once. A handler that ended so has not used the task up, and the next
 * one is given to the same. Otherwise the task is woken, and goes on from there as if the first step had been its own.
 */
#ifndef RSEC_PY_HANDLER_H
#define RSEC_PY_HANDLER_H

#include "py/state.h" /* Python.h comes before every system header */

#include <stdbool.h>

typedef struct {
    PyObject_HEAD PyObject *loop; /* the event loop */
    PyObject *rest;               /* the future that the task waits for while it rests; NULL before and after */
    PyObject *coroutine;          /* the handler's, while it runs or is suspended */
    PyObject *context;            /* contextvars.Context of every step of the coroutine */
    PyObject *yielded;            /* by the first step: what the task does not yet know to wait for */
    PyObject *result;             /* of a first step that was the only one, when the task is to end with it */
    PyObject *exception;          /* likewise */
    PyObject *cancelled; /* a CancelledError that the coroutine gets when what it waits for, uncancelled, is done */
    bool is_ended;       /* the task is to end, or has */
} rsec_py_handler;

/* A handler's coroutine that rests. NULL with an exception. */
PyObject *rsec_py_handler_new(rsec_py_state *state, PyObject *loop);

/* Whether it has no coroutine and waits for one. */
bool rsec_py_handler_is_at_rest(const rsec_py_handler *self);

/* Gives it `coroutine` (a coroutine object that has not begun), which runs its first step in a copy of the current context.
 * PYGEN_RETURN with `result`, PYGEN_ERROR with an exception set: it has ended, and rsec_py_handler_reset() or
 * rsec_py_handler_end_with() follows. PYGEN_NEXT: it is suspended, and `self` has it until its end. */
PySendResult rsec_py_handler_start(rsec_py_handler *self, PyObject *coroutine, PyObject **result);

/* Puts it to rest again. An exception that is set stays. */
void rsec_py_handler_reset(rsec_py_handler *self);

/* Lets its task end as the coroutine did: with `result`, or, if that is NULL, with the exception that is set, which is used up. */
void rsec_py_handler_end_with(rsec_py_handler *self, PyObject *result);

/* Has the task go on, in the event loop's next turn. -1 with an exception: the loop is closed, or without memory. */
int rsec_py_handler_wake(rsec_py_handler *self);

/* Gives the coroutine up after rsec_py_handler_wake() has failed: it is closed. Keeps the exception that is set. */
void rsec_py_handler_close(rsec_py_handler *self);

/* Closes a coroutine that is not to begin any more; one that is suspended is left alone. Keeps the exception that is set. */
void rsec_py_coroutine_close_unstarted(rsec_py_state *state, PyObject *coroutine);

int rsec_py_handler_register(PyObject *module, rsec_py_state *state);

#endif
