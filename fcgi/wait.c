/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "fcgi/app.h"
#include "fcgi/req.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/model/sess.h"

/* The guarantee behind notifications, which can be lost. */
#define LOOK_AGAIN_MS 1000

struct wait_slots {
	int workers;
	_Atomic unsigned char busy[]; /* one each */
};

static size_t
slots_size(int workers)
{
	return sizeof(struct wait_slots) + (size_t)workers;
}

struct wait_slots *
wait_slots_new(int workers)
{
	struct wait_slots *slots;

	slots = mmap(
	    NULL, slots_size(workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		return NULL;
	slots->workers = workers;
	return slots;
}

void
wait_slots_free(struct wait_slots *slots)
{
	if (slots != NULL)
		(void)munmap(slots, slots_size(slots->workers));
}

bool
wait_slots_take(struct wait_slots *slots, int slot)
{
	int busy = 0;

	/* Claim first, count then: two at once may both give way, never both pass. */
	atomic_store(&slots->busy[slot], 1);
	for (int i = 0; i < slots->workers; i++)
		busy += atomic_load(&slots->busy[i]);
	if (busy <= slots->workers / 2)
		return true;
	atomic_store(&slots->busy[slot], 0);
	return false;
}

void
wait_slots_give(struct wait_slots *slots, int slot)
{
	atomic_store(&slots->busy[slot], 0);
}

struct watch {
	const char *id;
	bool told; /* something happened to this session */
};

/* The payload is "<id> <status> <why>". */
static void
on_notify(void *ctx, const char *channel, const char *payload)
{
	struct watch *watch = ctx;

	(void)channel;
	if (strncmp(payload, watch->id, VS_ULID_LEN) == 0)
		watch->told = true;
}

/* Sleep until something may have changed. False: the worker is told to stop. */
static bool
sleep_once(struct app *app, struct vs_db *listener, vs_msec until)
{
	struct pollfd pfd = { .fd = vs_db_fd(listener), .events = POLLIN };
	vs_msec left = until - vs_clock_mono_ms();
	struct timespec timeout = { 0, 0 };

	if (left > 0) {
		timeout.tv_sec = left / 1000;
		timeout.tv_nsec = left % 1000 * 1000000;
	}
	if (ppoll(&pfd, 1, &timeout, &app->open_signals) < 0)
		return errno == EINTR && !*app->stop;
	return true;
}

/* Until told about the session, or the time to look anyway. False: stop waiting. */
static bool
sleep_until_told(struct app *app, const struct req *req, struct vs_db *listener, vs_msec until)
{
	struct watch watch = { .id = req->match.id };

	while (!watch.told && vs_clock_mono_ms() < until) {
		if (!sleep_once(app, listener, until))
			return false;
		/* A lost connection may have had something to say. */
		if (vs_db_notifies(listener, on_notify, &watch) < 0)
			watch.told = true;
	}
	return true;
}

int
wait_for_session(
    struct app *app, struct req *req, const struct wait_until *until, struct sess *sess)
{
	struct vs_db *listener;
	vs_msec now, next;
	bool on = true;
	int rc;

	/* A connection of its own: one that listens must always be read from. */
	listener = vs_db_new(app->conf->database_api);
	if (listener == NULL)
		return VS_ENOMEM;
	rc = vs_db_listen(listener, "ventus_session");
	if (rc < 0) /* the period remains */
		log_debug("wait.deaf", VS_LOG_STR("session", req->match.id), VS_LOG_ERR(rc));
	for (;;) {
		rc = sess_load_for(app->db, req->arena, &req->caller, req->match.id, sess);
		now = vs_clock_mono_ms();
		if (rc < 0 || !on || now >= until->deadline ||
		    sess_status_reached(sess->status, (enum sess_status)until->wanted))
			break;
		next =
		    now + LOOK_AGAIN_MS < until->deadline ? now + LOOK_AGAIN_MS : until->deadline;
		on = sleep_until_told(app, req, listener, next);
	}
	vs_db_free(listener);
	return rc;
}
