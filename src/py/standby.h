/* Standby: the task that stands by for handlers which never wait (handler.h says why). One an engine; the event loop's thread only.
 */
#ifndef RSEC_PY_STANDBY_H
#define RSEC_PY_STANDBY_H

#include "py/engine.h" /* Python.h comes before every system header */

typedef enum {
    RSEC_PY_ENDED, /* the coroutine has ended: `result`, a new reference, or NULL with an exception */
    RSEC_PY_KEPT,  /* it waits for what its task must bring to an end: `task`, a new reference, will be done */
} rsec_py_outcome;

/* Whether the handler of a request of `code` can be run now. If not, it needs a task of its own: no other coroutine's first step may
 * go on, and those of its code may do better with that. Makes the task when there is none. -1 with an exception. */
int rsec_py_standby_is_ready(rsec_py_engine *self, uint8_t code);

/* Runs the first step of `coroutine` (a coroutine object that has not begun) in the task, which is ready: the current one of the
 * engine's loop. To the coroutine, and to whatever it calls, that task is its own. */
rsec_py_outcome rsec_py_standby_run(rsec_py_engine *self, uint8_t code, PyObject *coroutine, PyObject **task,
                                    PyObject **result);

/* Once it was ready the task stays the current one, for the next handler, until here: before anything that is no handler's, and at the
 * end of a batch. Keeps the exception that is set. */
void rsec_py_standby_leave(rsec_py_engine *self);

/* Ends the task. Never leaves an exception. */
void rsec_py_standby_end(rsec_py_engine *self);

#endif
