/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moves under way in the honest model: rounds over shared links, paced as droverd does. */
#ifndef DROVER_SIM_HONEST_MOVES_H
#define DROVER_SIM_HONEST_MOVES_H

#include "cloudsim.h"
#include "migrate/pace.h"

/**
 * struct honest_move - a VM on its way
 * @copying: else it waits for its target to wake or to have memory
 * @ram, @left: bytes: of the VM, and of this round that are still to send
 * @rate: bytes per second at the moment
 * @round_s: since this round began
 */
struct honest_move {
	int vm, from, to;
	bool copying, done;
	double ram, left, rate, round_s, blackout_s;
	uint32_t round;
	struct drover_pace pace;
};

/**
 * struct honest_moves - all of them
 * @of: the place in @list of each VM's move, or -1
 * @links: moves that copy from or to each host
 */
struct honest_moves {
	struct honest_move *list;
	int *of;
	int count, vms;
	int links[CS_HOSTS], waits[CS_HOSTS];
	double rates[CS_HOSTS];
	uint64_t done, late;
};

int honest_moves_init(struct honest_moves *moves, size_t vms);
void honest_moves_exit(struct honest_moves *moves);

/** honest_moves_add() - of a VM that waits already, the target is replaced; -EBUSY if it copies */
int honest_moves_add(struct honest_moves *moves, int vm, int from, int to);

/** honest_move_start() - begin to copy; @use: of its CPU, 0 to 1, as it goes with what it writes */
void honest_move_start(struct honest_move *move, int ram_mb, double use);

/** honest_moves_advance() - let time pass; @dt: seconds */
void honest_moves_advance(struct honest_moves *moves, double dt);

/** honest_moves_next_done() - take a move that has come to its end off the list */
bool honest_moves_next_done(struct honest_moves *moves, struct honest_move *ret_move);

/** honest_moves_of() - the move of a VM, or NULL */
const struct honest_move *honest_moves_of(const struct honest_moves *moves, int vm);

/** honest_moves_touch() - does any begin or end on this host? */
bool honest_moves_touch(const struct honest_moves *moves, int host);

/** honest_moves_rate() - bytes per second in and out of a host */
double honest_moves_rate(const struct honest_moves *moves, int host);

#endif
