/* Engine: the C engine as a Python object. It stands between rsec_engine and one asyncio event loop: takes batches of requests,
 * steps their handlers, hands replies back. The event loop's thread only, with the GIL.
 */
#ifndef RSEC_PY_ENGINE_H
#define RSEC_PY_ENGINE_H

#include "py/packet.h" /* Python.h comes before every system header */

#include "net/engine.h"
#include "py/tasks.h"

enum { RSEC_PY_BATCH = 256 };

struct rsec_py_flight;

/* standby.h */
typedef struct {
    rsec_py_handler *handler; /* owned, both; NULL before the first handler, and after one that used them up */
    PyObject *task;           /* its HandlerTask */
    PyObject *previous;       /* owned: what rsec_py_task_leave() needs, while the task is the current one */
    rsec_py_task_look
        look; /* at the task when it was the current one first, and nobody else had seen it; before that, zeros */
    bool
        is_busy; /* a first step runs, for which the handler and the task are taken out, or the task is made or ended */
    bool is_ending;   /* it is to end when that is done */
    uint8_t own[256]; /* by request code: so many handlers get tasks of their own from the start */
} rsec_py_standby;

/* What is looked up once for the requests that arrived together. */
typedef struct {
    uint64_t number;
    bool is_open;             /* its requests are being handled */
    PyObject *dictionary;     /* owned: the server's; NULL before it was needed, as the next */
    PyTypeObject *reply_type; /* owned: of the last reply whose reply_packet() is nobody else's */
    bool has_task_factory;    /* the loop's, set by the user: it makes every task */
    bool is_factory_known;
} rsec_py_batch;

typedef struct {
    PyObject_HEAD rsec_py_state *state; /* borrowed: the type keeps the module alive */
    rsec_engine *engine;                /* owned; NULL once it was freed */
    PyObject *server;                   /* the RadSecServer whose handlers are called */
    PyObject *loop;                     /* the event loop */
    rsec_policy policy;
    struct rsec_py_flight *flights; /* handlers that are suspended, doubly linked */
    struct rsec_py_host *hosts;     /* what peers' `user` points at, doubly linked */
    rsec_py_standby standby;
    rsec_py_batch batch;
    rsec_request *done[RSEC_PY_BATCH]; /* answered, to be handed back together */
    size_t done_num;
    char is_flush_due;  /* _flush is scheduled */
    char is_stopped;    /* RSEC_UP_STOPPED was seen */
    char is_closing;    /* close() has begun */
    uint8_t warned[32]; /* request codes (by bit) whose misfit replies were warned about */
    PyObject *weakrefs;
    uint64_t handler_errors, handler_no_replies, handlers_suspended;
} rsec_py_engine;

/* Whether the exception that is set is the event loop's to leave with, and not its handler's to keep. */
static inline bool rsec_py_is_fatal(void) {
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit);
}

/* --- flight.c --- */

/* Runs the handler for `req` until it suspends or ends. -1 only for KeyboardInterrupt and SystemExit, as in any task. */
int rsec_py_flight_run(rsec_py_engine *self, rsec_request *req, PyObject *secret, PyObject *address, PyObject *peer);
/* The tasks of suspended handlers; new list. */
PyObject *rsec_py_flight_tasks(rsec_py_engine *self);
/* Lets go of the suspended handler that `task` runs: its request is given back unanswered. Whether there is one. */
int rsec_py_flight_abandon(rsec_py_engine *self, PyObject *task);
/* Lets go of suspended handlers: their requests are freed unanswered, their tasks run on alone. */
void rsec_py_flight_abandon_all(rsec_py_engine *self);
/* For tp_traverse: the engine's references to suspended handlers. */
int rsec_py_flight_visit(rsec_py_engine *self, visitproc visit, void *arg);
int rsec_py_flight_register(PyObject *module, rsec_py_state *state);

/* --- engine.c --- */

/* Puts an answered or unanswered request on its way back; handed over at the end of the batch. */
void rsec_py_engine_give_back(rsec_py_engine *self, rsec_request *req);
/* Visits the counters that are kept here, beside those of counters.h, which this is like; NULL: zeros. */
int rsec_py_engine_visit_own(const rsec_py_engine *self, int (*visit)(void *arg, const char *name, uint64_t value),
                             void *arg);
/* Hands over what was given back. */
void rsec_py_engine_flush(rsec_py_engine *self);

#endif
