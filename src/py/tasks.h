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

/* A HandlerTask for `handler`. New reference; NULL with an exception. */
PyObject *rsec_py_handler_task_new(rsec_py_state *state, PyObject *handler, PyObject *loop);

/* What can be seen of a HandlerTask: taken before a handler's first step, and compared after it. */
typedef struct {
    Py_ssize_t refs;
    PyObject *weakrefs; /* borrowed: only compared */
} rsec_py_task_look;

/* Forgets what was done with `task`, and notes who knows of it. */
rsec_py_task_look rsec_py_handler_task_look(PyObject *task);

/* Whether, since `look`, somebody took a reference or a weak one to `task` and still has it, or read or set one of its attributes,
 * its methods included. */
bool rsec_py_handler_task_is_known(PyObject *task, const rsec_py_task_look *look);

/* Makes `task` the current one of `loop`. `previous`, a new reference, is for rsec_py_task_leave(). -1 with an exception. */
int rsec_py_task_enter(rsec_py_state *state, PyObject *loop, PyObject *task, PyObject **previous);

/* Undoes rsec_py_task_enter(), and gives `previous` up. Keeps the exception that is set. */
void rsec_py_task_leave(rsec_py_state *state, PyObject *loop, PyObject *task, PyObject *previous);

#endif
