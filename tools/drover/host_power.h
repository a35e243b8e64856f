/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the words of "drover host power" share. */
#ifndef DROVER_TOOL_HOST_POWER_H
#define DROVER_TOOL_HOST_POWER_H

#include "drover_tool.h"

/** host_power_ask() - tool_ask() with this verb */
int host_power_ask(Drover__HostPower *verb, Drover__ControlReply **ret_reply);

tool_command host_power_command, host_power_set;

#endif
