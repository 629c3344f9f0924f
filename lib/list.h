/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * list - an intrusive doubly linked ring.
 *
 * The head and every member embed a struct vs_node. A node that is on no list
 * points at itself, so removing twice is harmless.
 */

#include <stdbool.h>

#include "lib/base.h"

struct vs_node {
	struct vs_node	*prev, *next;
};

static inline void
vs_list_init(struct vs_node *node)
{
	node->prev = node->next = node;
}

static inline bool
vs_list_empty(const struct vs_node *head)
{
	return head->next == head;
}

static inline void
vs_list_remove(struct vs_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	vs_list_init(node);
}

static inline void
vs_list_append(struct vs_node *head, struct vs_node *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

#define VS_LIST_FIRST(head, type, member) VS_CONTAINER((head)->next, type, member)

/* Safe against removal of the current member, and of no other. */
#define VS_LIST_EACH(it, tmp, head)					\
	for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head);	\
	    (it) = (tmp), (tmp) = (it)->next)
