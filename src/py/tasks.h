/* asyncio's tasks: those of handlers, and which one runs. The event loop's thread only.
 *
 * HandlerTask is the asyncio.Task of a Handler (handler.h). It knows whether anybody has looked at it, which is how the engine
 * finds out whether it may serve another request.
 */
#ifndef RSEC_PY_TASKS_H
#define RSEC_PY_TASKS_H

#include "py/handler.h" /* Python.h comes before every system header */

/* Takes what is needed from asyncio into state->asyncio, once; `module` is pyradsec._core. There is no HandlerTask where asyncio's
 * tasks are not those in C. -1 with an exception. */
int rsec_py_tasks_take(PyObject *module, rsec_py_state *state);

/* A HandlerTask for `handler`, which goes to rest at once, or, on CPython 3.11, in the loop's next turn. New reference; NULL with an
 * exception. */
PyObject *rsec_py_handler_task_new(rsec_py_state *state, PyObject *handler, PyObject *loop);

/* The Handler of `object`; borrowed. NULL without an exception: it is no HandlerTask, or has none any more. */
rsec_py_handler *rsec_py_handler_of(rsec_py_state *state, PyObject *object);

/* What can be seen of a HandlerTask by those who hold it. */
typedef struct {
    Py_ssize_t refs;
    PyObject *weakrefs; /* borrowed: only compared */
} rsec_py_task_look;

/* What there is to be seen of `task` while nobody knows of it but its maker. */
rsec_py_task_look rsec_py_handler_task_look(rsec_py_state *state, PyObject *task);

/* Whether anybody has come to know it since `look`, with as many references held by its maker: took a reference or a weak one and
 * still has it, or read or set one of its attributes, its methods included. */
bool rsec_py_handler_task_is_known(PyObject *task, const rsec_py_task_look *look);

/* Whether `task` was cancelled in a step that goes on or has ended; then `message` is a new reference, else NULL. -1 with an
 * exception. */
int rsec_py_handler_task_must_cancel(rsec_py_state *state, PyObject *task, PyObject **message);

/* Ends `task`, whose handler rests or has ended in its first step, as an eager task ends: with `result`, or, if that is NULL, with
 * the exception that is set. `result` as the task has it: a new reference, or NULL with an exception, which is CancelledError also
 * for a coroutine that cancelled its own task and ended well. */
PyObject *rsec_py_handler_task_end(rsec_py_state *state, PyObject *task, PyObject *result);

/* Makes `task` the current one of `loop`. `previous`, a new reference, is for rsec_py_task_leave(). -1 with an exception. */
int rsec_py_task_enter(rsec_py_state *state, PyObject *loop, PyObject *task, PyObject **previous);

/* Undoes rsec_py_task_enter(), and gives `previous` up. Keeps the exception that is set. */
void rsec_py_task_leave(rsec_py_state *state, PyObject *loop, PyObject *task, PyObject *previous);

#endif
