/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * agentrun - a real ventus-agent with its sandbox and Chrome, started and driven as the
 * local driver and cdpd would. Every wait has a deadline; what fails ends the test.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tests/support/tmpdir.h"

#define AGENTRUN_SECRET	  "00112233445566778899aabbccddeeff"
#define AGENTRUN_MAX_PIDS 128

struct agentrun {
	pid_t	 pid;
	uid_t	 uid;		/* its own when the test is root's */
	char	 dir[TMPDIR_SIZE];
	int	 stderr_fd;
	int	 events_fd;	/* GET /events; -1 until agentrun_event() */
	char	 held[4096];	/* events read and not yet looked at */
	pid_t	 family[AGENTRUN_MAX_PIDS];
	size_t	 nfamily;
};

struct agentrun_spec {
	int		 width, height;		/* 0: 1280x720 */
	long long	 life_ms;		/* 0: 120 s */
	const char	*more;			/* members, each with a comma in front; NULL: none */
};

void	agentrun_start(struct agentrun *run, const struct agentrun_spec *spec);

/* Wait for that state; the event's object, owned. Skips earlier states. */
struct json_object	*agentrun_event(struct agentrun *run, const char *state);

/* The agent's exit status, as waitpid(2) gives it; at most wait_ms. */
int	agentrun_wait(struct agentrun *run, int wait_ms);

/* Remember all processes that descend from the agent, itself included. */
void	agentrun_take_family(struct agentrun *run);
pid_t	agentrun_find(const struct agentrun *run, const char *comm);	/* 0: none */
/* All of the family gone within wait_ms? */
bool	agentrun_family_gone(const struct agentrun *run, int wait_ms);

/* Kill, wait, remove. Safe after the end and on a zeroed run. */
void	agentrun_end(struct agentrun *run);

/* What it wrote to stderr so far; NUL-terminated. */
void	agentrun_stderr(struct agentrun *run, char *ret_text, size_t size);

/* One request over agent.sock, with the secret: the status. body may be NULL. */
int	agentrun_http(const struct agentrun *run, const char *method, const char *path,
	    const char *body, char *ret_body, size_t size);
/* The same with the request as it stands. */
int	agentrun_raw(const struct agentrun *run, const char *request, char *ret_answer, size_t size);
