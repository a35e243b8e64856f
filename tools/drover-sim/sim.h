/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of drover-sim, one for each first word of its command line. */
#ifndef DROVER_SIM_SIM_H
#define DROVER_SIM_SIM_H

/**
 * sim_drs() - balancing of load (--drs)
 *
 * @argv starts with the program's name, then what follows the first word. Returns the
 * program's exit status.
 */
int sim_drs(int argc, char **argv);

/** sim_dpm() - power management (--dpm); see sim_drs() */
int sim_dpm(int argc, char **argv);

/** sim_replay() - passes of a leader, again (--replay); see sim_drs() */
int sim_replay(int argc, char **argv);

#endif
