#include "py/standby.h"

/* After a handler that used the task up, so many of its code get tasks of their own: those of one code mostly do alike, and for them
 * an eager task costs less. CPython 3.11 has none, and others would begin after handlers that came later. */
enum { OWN_AFTER_USED = PY_VERSION_HEX >= 0x030c0000 ? 32 : 0 };

/* Ends a task at rest. One that has not begun ends with its first step. */
static void end(rsec_py_state *state, rsec_py_handler *handler, PyObject *task) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    rsec_py_handler_end(handler);
    if (handler->is_begun) {
        Py_XDECREF(rsec_py_handler_task_end(state, task, Py_None));
        PyErr_Clear();
    }
    PyErr_Restore(type, value, traceback);
}

static int make(rsec_py_engine *self) {
    rsec_py_standby *standby = &self->standby;
    rsec_py_handler *handler = (rsec_py_handler *)rsec_py_handler_new(self->state, self->loop);
    PyObject *task = handler != NULL ? rsec_py_handler_task_new(self->state, (PyObject *)handler, self->loop) : NULL;
    if (task == NULL) {
        if (handler != NULL) {
            rsec_py_handler_end(handler); /* in case that the loop has a task of it all the same */
            Py_DECREF(handler);
        }
        return -1;
    }
    standby->handler = handler;
    standby->task = task;
    standby->look = rsec_py_handler_task_look(task);
    return 0;
}

/* Whether somebody has come to know the task at rest, or it has ended, or failed to go to rest. */
static bool is_spoilt(const rsec_py_standby *standby) {
    const rsec_py_handler *handler = standby->handler;
    return handler->is_touched || (handler->is_begun && !rsec_py_handler_is_at_rest(handler)) ||
           rsec_py_handler_task_is_known(standby->task, &standby->look);
}

int rsec_py_standby_is_ready(rsec_py_engine *self, uint8_t code) {
    rsec_py_standby *standby = &self->standby;
    if (self->state->asyncio.handler_task_type == NULL || standby->is_busy) {
        return 0;
    }
    if (standby->own[code] > 0) {
        standby->own[code]--;
        return 0;
    }
    if (standby->handler != NULL && is_spoilt(standby)) {
        rsec_py_standby_end(self);
    }
    if (standby->handler == NULL && make(self) < 0) {
        return -1;
    }
    return rsec_py_handler_is_at_rest(standby->handler);
}

/* The task is its coroutine's from here on. */
static rsec_py_outcome keep(rsec_py_state *state, rsec_py_handler *handler, PyObject *task, PyObject **kept) {
    PyObject *message = NULL;
    int rc = handler->is_touched ? rsec_py_handler_task_must_cancel(state, task, &message) : 0;
    if (rc > 0) {
        rsec_py_handler_cancel(handler, message);
        Py_DECREF(message);
    }
    if (rc < 0 || rsec_py_handler_wake(handler) < 0) {
        rsec_py_handler_close(handler);
        (void)rsec_py_handler_task_end(state, task, NULL);
        return RSEC_PY_ENDED;
    }
    if (PyObject_GenericSetAttr(task, state->name__log_destroy_pending, Py_True) < 0) {
        PyErr_WriteUnraisable(task);
    }
    *kept = Py_NewRef(task);
    return RSEC_PY_KEPT;
}

/* Its coroutine has ended, in the first step. Gives `result` up; what the task has instead: new reference, or NULL with an
 * exception. */
static PyObject *use_up(rsec_py_state *state, rsec_py_handler *handler, PyObject *task, PyObject *result) {
    rsec_py_handler_end(handler);
    PyObject *outcome = rsec_py_handler_task_end(state, task, result);
    Py_XDECREF(result);
    return outcome;
}

rsec_py_outcome rsec_py_standby_run(rsec_py_engine *self, uint8_t code, PyObject *coroutine, PyObject **task,
                                    PyObject **result) {
    rsec_py_standby *standby = &self->standby;
    rsec_py_state *state = self->state;
    PyObject *previous;
    *task = *result = NULL;
    if (rsec_py_task_enter(state, self->loop, standby->task, &previous) < 0) {
        rsec_py_coroutine_close_unstarted(state, coroutine);
        return RSEC_PY_ENDED;
    }
    /* Taken out: the engine may be closed meanwhile. */
    rsec_py_handler *handler = standby->handler;
    PyObject *own = standby->task;
    standby->handler = NULL;
    standby->task = NULL;
    standby->is_busy = true;
    PySendResult how = rsec_py_handler_start(handler, coroutine, result);
    standby->is_busy = false;
    rsec_py_task_leave(state, self->loop, own, previous);

    bool is_ending = standby->is_ending;
    standby->is_ending = false;
    if (how != PYGEN_NEXT && !handler->is_touched && !rsec_py_handler_task_is_known(own, &standby->look)) {
        rsec_py_handler_reset(handler);
        if (!is_ending) {
            standby->handler = handler;
            standby->task = own;
            return RSEC_PY_ENDED;
        }
        end(state, handler, own);
        Py_DECREF(handler);
        Py_DECREF(own);
        return RSEC_PY_ENDED;
    }
    standby->own[code] = OWN_AFTER_USED;
    rsec_py_outcome outcome = RSEC_PY_ENDED;
    if (how == PYGEN_NEXT) {
        outcome = keep(state, handler, own, task);
    } else {
        *result = use_up(state, handler, own, *result);
    }
    Py_DECREF(handler);
    Py_DECREF(own);
    return outcome;
}

void rsec_py_standby_end(rsec_py_engine *self) {
    rsec_py_standby *standby = &self->standby;
    rsec_py_handler *handler = standby->handler;
    PyObject *task = standby->task;
    standby->is_ending = standby->is_busy; /* rsec_py_standby_run() comes back to it */
    standby->handler = NULL;
    standby->task = NULL;
    if (handler != NULL) {
        end(self->state, handler, task);
        Py_DECREF(handler);
        Py_DECREF(task);
    }
}
