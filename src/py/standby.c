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
    standby->look = (rsec_py_task_look){0, NULL};
    return 0;
}

/* Makes the task at rest the current one. 0: CPython 3.11 takes none in the place of another. -1 with an exception. */
static int enter(rsec_py_engine *self) {
    rsec_py_standby *standby = &self->standby;
    if (standby->previous != NULL) {
        return 1;
    }
    if (rsec_py_task_enter(self->state, self->loop, standby->task, &standby->previous) < 0) {
        bool is_other = PY_VERSION_HEX < 0x030c0000 && PyErr_ExceptionMatches(PyExc_RuntimeError);
        if (is_other) {
            PyErr_Clear();
        }
        return is_other ? 0 : -1;
    }
    if (standby->look.refs == 0) {
        standby->look = rsec_py_handler_task_look(self->state, standby->task);
    }
    return 1;
}

/* Stops `task`, which was the standby's, being the current one. */
static void leave(rsec_py_engine *self, PyObject *task) {
    PyObject *previous = self->standby.previous;
    self->standby.previous = NULL;
    if (previous != NULL) {
        rsec_py_task_leave(self->state, self->loop, task, previous);
    }
}

/* Whether somebody has come to know the task at rest, which is the current one. */
static bool is_spoilt(const rsec_py_standby *standby) {
    return standby->handler->is_touched || rsec_py_handler_task_is_known(standby->task, &standby->look);
}

/* Ends the task, if there is one. */
static void retire(rsec_py_engine *self) {
    rsec_py_standby *standby = &self->standby;
    rsec_py_handler *handler = standby->handler;
    PyObject *task = standby->task;
    if (handler == NULL) {
        return;
    }
    leave(self, task);
    standby->handler = NULL;
    standby->task = NULL;
    end(self->state, handler, task);
    Py_DECREF(handler);
    Py_DECREF(task);
}

/* Is not busy any more. False: it was to end meanwhile, and has. */
static bool be_free(rsec_py_engine *self) {
    bool is_ending = self->standby.is_ending;
    self->standby.is_ending = false;
    if (is_ending) {
        retire(self);
    }
    self->standby.is_busy = false;
    return !is_ending;
}

/* Sees to it that there is a task at rest which nobody knows and which is the current one. Else 0; -1 with an exception. */
static int make_ready(rsec_py_engine *self) {
    rsec_py_standby *standby = &self->standby;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (standby->handler == NULL && make(self) < 0) {
            return -1;
        }
        if (!rsec_py_handler_is_at_rest(standby->handler)) {
            if (!standby->handler->is_begun) {
                return 0;
            }
        } else {
            int is_entered = enter(self);
            if (is_entered <= 0) {
                return is_entered;
            }
            if (!is_spoilt(standby)) {
                return 1;
            }
        }
        retire(self);
    }
    return 0;
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
    standby->is_busy = true;
    int is_ready = make_ready(self);
    return be_free(self) ? is_ready : is_ready < 0 ? -1 : 0;
}

/* The task is its coroutine's from here on. */
static rsec_py_outcome keep(rsec_py_state *state, rsec_py_handler *handler, PyObject *task, bool is_alone,
                            PyObject **kept) {
    PyObject *message = NULL;
    int must_cancel = handler->is_touched ? rsec_py_handler_task_must_cancel(state, task, &message) : 0;
    bool is_later = !is_alone || (must_cancel > 0 && !rsec_py_handler_cancel(handler, message));
    Py_XDECREF(message);
    if (must_cancel < 0 || rsec_py_handler_wake(handler, is_later) < 0) {
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
    /* Taken out: the engine may be closed meanwhile. */
    rsec_py_handler *handler = standby->handler;
    PyObject *own = standby->task;
    *task = *result = NULL;
    standby->handler = NULL;
    standby->task = NULL;
    standby->is_busy = true;
    PySendResult how = rsec_py_handler_start(handler, coroutine, result);
    rsec_py_outcome outcome = RSEC_PY_ENDED;
    if (how != PYGEN_NEXT && !handler->is_touched && !rsec_py_handler_task_is_known(own, &standby->look)) {
        rsec_py_handler_reset(handler);
        standby->handler = handler;
        standby->task = own;
        (void)be_free(self);
        return outcome;
    }
    bool is_alone = standby->previous == Py_None;
    leave(self, own);
    standby->own[code] = OWN_AFTER_USED;
    if (how == PYGEN_NEXT) {
        outcome = keep(state, handler, own, is_alone, task);
    } else {
        *result = use_up(state, handler, own, *result);
    }
    Py_DECREF(handler);
    Py_DECREF(own);
    (void)be_free(self);
    return outcome;
}

void rsec_py_standby_leave(rsec_py_engine *self) {
    if (!self->standby.is_busy) {
        leave(self, self->standby.task);
    }
}

void rsec_py_standby_end(rsec_py_engine *self) {
    self->standby.is_ending = true;
    if (!self->standby.is_busy) { /* else who is busy comes back to it */
        self->standby.is_busy = true;
        (void)be_free(self);
    }
}
