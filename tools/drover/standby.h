/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DROVER_TOOL_STANDBY_H
#define DROVER_TOOL_STANDBY_H

#include "drover_tool.h"

/* drover host standby HOST on|off; drover host power test HOST */
tool_command host_standby, host_power_test;

#endif
