/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corosync.conf(5), made of the hosts that drover.conf names. A host's number comes from its name,
 * so that every host makes the same file by itself.
 */
#ifndef DROVER_CLUSTER_CONF_H
#define DROVER_CLUSTER_CONF_H

#include "base/err.h"
#include "core/model.h"

#define DROVER_COROSYNC_CONF "/etc/corosync/corosync.conf"

/**
 * drover_cluster_conf() - make the text
 * @ret_text: out: to be freed
 *
 * Errors: -EINVAL when a host has no address that others could reach.
 */
int drover_cluster_conf(const struct drover_conf *conf, char **ret_text, struct drover_err *err);

/** drover_cluster_conf_node() - the number of a host in such a text; 0: it is no such text, or not in it */
uint32_t drover_cluster_conf_node(const char *text, const char *host);

#endif
