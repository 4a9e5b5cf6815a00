/* Handler: the coroutine of a HandlerTask, which hands on to the coroutine of a server's handler. The event loop's thread only.
 *
 * Most handlers answer without waiting for anything, and a task of their own would be the dearest part of their request. So a
 * task is made beforehand. It waits for its own Handler, which is its coroutine and the future of its rest in one, until a
 * coroutine is given to it with rsec_py_handler_start(), which runs the first step at once. One that ended so has not used the task
 * up, and the next is given to the same. Otherwise the task is woken, and goes on from there as if the first step had been its own.
 */
#ifndef RSEC_PY_HANDLER_H
#define RSEC_PY_HANDLER_H

#include "py/state.h" /* Python.h comes before every system header */

#include <stdbool.h>

typedef struct {
    PyObject_HEAD PyObject *loop; /* the event loop */
    PyObject *wakeup;             /* the task's callback, while it rests; NULL before and after */
    PyObject *coroutine;          /* the handler's, from its first step on */
    PyObject *context;            /* contextvars.Context of every step of the coroutine */
    PyObject *yielded;            /* by the first step: what the task does not yet know to wait for */
    PyObject *cancelled; /* a CancelledError that the coroutine gets when what it waits for, uncancelled, is done */
    bool is_cancelled;   /* `yielded` is, as the task was in the first step: it need not be told again */
    bool is_later;       /* the task is woken in a later turn than that of the first step */
    bool is_begun;       /* the task has had its first step, which goes to rest */
    bool is_running;     /* the coroutine takes a step */
    bool is_touched;     /* the task was cancelled at rest, or in the coroutine's first step */
    bool is_ended;       /* the coroutine has ended, or the task is to end without any */
} rsec_py_handler;

/* A handler's coroutine whose task has not begun. NULL with an exception. */
PyObject *rsec_py_handler_new(rsec_py_state *state, PyObject *loop);

/* Whether its task waits for a coroutine. */
bool rsec_py_handler_is_at_rest(const rsec_py_handler *self);

/* Gives `coroutine` (a coroutine object that has not begun) to a handler at rest. Its first step runs in a copy of the current
 * context. PYGEN_RETURN with `result`, PYGEN_ERROR with an exception set: it has ended, and rsec_py_handler_reset() or
 * rsec_py_handler_end() follows. PYGEN_NEXT: it is suspended, and rsec_py_handler_wake() follows. */
PySendResult rsec_py_handler_start(rsec_py_handler *self, PyObject *coroutine, PyObject **result);

/* Is at rest again. */
void rsec_py_handler_reset(rsec_py_handler *self);

/* Needs its task no more: who has that brings it to an end, unless it has not begun, for then its first step will. */
void rsec_py_handler_end(rsec_py_handler *self);

/* Cancels what the coroutine's first step waits for, since that step cancelled the task with `message`. False: that does not let itself
 * be cancelled, and the task is to throw CancelledError. */
bool rsec_py_handler_cancel(rsec_py_handler *self, PyObject *message);

/* Has the task go on: it comes to wait for what the first step waits for. `is_later`: not here but in the event loop's next turn,
 * since another task is the current one, or this one has to throw CancelledError. -1 with an exception: the loop is closed, or without
 * memory. */
int rsec_py_handler_wake(rsec_py_handler *self, bool is_later);

/* Closes the coroutine that it has. Keeps the exception that is set. */
void rsec_py_handler_close(rsec_py_handler *self);

/* Closes a coroutine that is not to begin any more; one that is suspended is left alone. Keeps the exception that is set. */
void rsec_py_coroutine_close_unstarted(rsec_py_state *state, PyObject *coroutine);

int rsec_py_handler_register(PyObject *module, rsec_py_state *state);

#endif
