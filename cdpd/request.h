/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * request - what a client's request head must be, and what is kept of it. Pure.
 */

#include "lib/base.h"
#include "lib/httphead.h"
#include "lib/problem.h"

#define REQUEST_ID_SIZE		65
#define REQUEST_PATH_SIZE	128

/* VS_PROBLEM_NONE: a websocket upgrade as RFC 6455 has it. */
enum vs_problem	request_upgrade_fault(const struct vs_http_head *head);

/* VS_PROBLEM_NONE: a plain GET. */
enum vs_problem	request_document_fault(const struct vs_http_head *head);

/* The caller's X-Request-Id, if it is 1-64 of [A-Za-z0-9._-]; else ret_id stays. */
void	request_id_take(const struct vs_http_head *head, char ret_id[REQUEST_ID_SIZE]);

/* The target without its query; one too long to be shown is left out. */
void	request_path_take(const struct vs_http_head *head, char ret_path[REQUEST_PATH_SIZE]);
