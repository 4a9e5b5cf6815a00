/* Standby: the task that stands by for handlers which never wait (handler.h says why). One an engine; the event loop's thread only.
 */
#ifndef RSEC_PY_STANDBY_H
#define RSEC_PY_STANDBY_H

#include "py/engine.h" /* Python.h comes before every system header */

typedef enum {
    RSEC_PY_ENDED, /* the coroutine has ended: `result`, a new reference, or NULL with an exception */
    RSEC_PY_KEPT,  /* it has, or waits for, what its task must bring to an end: `task`, a new reference, will be done */
} rsec_py_outcome;

/* Whether a coroutine can be run now: there is a HandlerTask, and no other coroutine's first step goes on. */
bool rsec_py_standby_is_free(const rsec_py_engine *self);

/* Runs the first step of `coroutine` (a coroutine object that has not begun) as the current task of the engine's loop. To the
 * coroutine, and to whatever it calls, that task is its own. */
rsec_py_outcome rsec_py_standby_run(rsec_py_engine *self, PyObject *coroutine, PyObject **task, PyObject **result);

/* Lets the task end in the loop's next turn. Never leaves an exception. */
void rsec_py_standby_end(rsec_py_engine *self);

#endif
