// SPDX-License-Identifier: GPL-2.0-or-later
/* Hands an operator's request to the verb that answers it. */
#include <errno.h>

#include "base/log.h"
#include "ctl/agent.h"
#include "ctl/dpm.h"
#include "ctl/drs.h"
#include "ctl/forward.h"
#include "ctl/power.h"
#include "ctl/reply.h"

static const struct {
	Drover__ControlRequest__VerbCase which;
	drover_verb *verb;
} verbs[] = {
	{ DROVER__CONTROL_REQUEST__VERB_VM_START, drover_vms_start },
	{ DROVER__CONTROL_REQUEST__VERB_VM_STOP, drover_vms_stop },
	{ DROVER__CONTROL_REQUEST__VERB_VM_LIST, drover_vms_list },
	{ DROVER__CONTROL_REQUEST__VERB_VM_SHOW, drover_vms_show },
	{ DROVER__CONTROL_REQUEST__VERB_MIGRATE, drover_moves_migrate },
	{ DROVER__CONTROL_REQUEST__VERB_MIGRATION_LIST, drover_moves_list },
	{ DROVER__CONTROL_REQUEST__VERB_MIGRATION_SHOW, drover_moves_show },
	{ DROVER__CONTROL_REQUEST__VERB_MIGRATION_CANCEL, drover_moves_cancel },
	{ DROVER__CONTROL_REQUEST__VERB_MIGRATION_RESOLVE, drover_moves_resolve },
	{ DROVER__CONTROL_REQUEST__VERB_STORAGE_MIGRATE, drover_storage_migrate },
	{ DROVER__CONTROL_REQUEST__VERB_STORAGE_LIST, drover_storage_list },
	{ DROVER__CONTROL_REQUEST__VERB_STORAGE_SHOW, drover_storage_show },
	{ DROVER__CONTROL_REQUEST__VERB_STORAGE_CANCEL, drover_storage_cancel_move },
	{ DROVER__CONTROL_REQUEST__VERB_HOST_LIST, drover_hosts_list },
	{ DROVER__CONTROL_REQUEST__VERB_HOST_SHOW, drover_hosts_show },
	{ DROVER__CONTROL_REQUEST__VERB_POOL_LIST, drover_pools_list },
	{ DROVER__CONTROL_REQUEST__VERB_POOL_SHOW, drover_pools_show },
	{ DROVER__CONTROL_REQUEST__VERB_POOL_EVACUATE, drover_pools_evacuate },
	{ DROVER__CONTROL_REQUEST__VERB_POOL_BALANCE, drover_pools_rebalance },
	{ DROVER__CONTROL_REQUEST__VERB_POOL_REPORT, drover_pools_report },
	{ DROVER__CONTROL_REQUEST__VERB_POOL_STOP, drover_pools_stop },
	{ DROVER__CONTROL_REQUEST__VERB_CLUSTER_STATUS, drover_members_status },
	{ DROVER__CONTROL_REQUEST__VERB_CLUSTER_CONF, drover_members_conf },
	{ DROVER__CONTROL_REQUEST__VERB_CLUSTER_RELOAD, drover_members_reload },
	{ DROVER__CONTROL_REQUEST__VERB_DRS_SHOW, drover_drs_show },
	{ DROVER__CONTROL_REQUEST__VERB_DRS_APPLY, drover_drs_apply },
	{ DROVER__CONTROL_REQUEST__VERB_DRS_SET, drover_wishes_drs },
	{ DROVER__CONTROL_REQUEST__VERB_RULE_SET, drover_wishes_rule_set },
	{ DROVER__CONTROL_REQUEST__VERB_RULE_LIST, drover_wishes_rule_list },
	{ DROVER__CONTROL_REQUEST__VERB_RULE_REMOVE, drover_wishes_rule_remove },
	{ DROVER__CONTROL_REQUEST__VERB_SHARE_SET, drover_wishes_share_set },
	{ DROVER__CONTROL_REQUEST__VERB_SHARE_LIST, drover_wishes_share_list },
	{ DROVER__CONTROL_REQUEST__VERB_SHARE_REMOVE, drover_wishes_share_remove },
	{ DROVER__CONTROL_REQUEST__VERB_HOST_MAINTENANCE, drover_wishes_maintenance },
	{ DROVER__CONTROL_REQUEST__VERB_VM_PLACE, drover_drs_where },
	{ DROVER__CONTROL_REQUEST__VERB_HOST_POWER, drover_power_verb },
	{ DROVER__CONTROL_REQUEST__VERB_DPM_SHOW, drover_dpm_show },
	{ DROVER__CONTROL_REQUEST__VERB_DPM_APPLY, drover_dpm_apply },
	{ DROVER__CONTROL_REQUEST__VERB_DPM_SET, drover_dpm_set },
	{ DROVER__CONTROL_REQUEST__VERB_DPM_SET_HOST, drover_dpm_set_host },
	{ DROVER__CONTROL_REQUEST__VERB_HOST_SLEEP, drover_dpm_sleep },
	{ DROVER__CONTROL_REQUEST__VERB_HOST_WAKE, drover_dpm_wake },
};

void drover_verbs_request(void *data, uint64_t id, const Drover__ControlRequest *request)
{
	struct drover_agent *agent = data;
	struct drover_err err = { 0 };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (verbs[i].which == request->verb_case) {
			verbs[i].verb(agent, id, request);
			return;
		}
	}
	drover_err_set(&err, EOPNOTSUPP, "this droverd does not know the request");
	drover_verbs_refuse(agent, id, &err);
}

void drover_verbs_reply(struct drover_agent *agent, uint64_t id, Drover__ControlReply *reply)
{
	if (!reply)
		return;
	if (drover_forward_is(id)) {
		drover_forward_answer(id, reply);
		return;
	}
	drover_mailbox_reply(agent->mailbox, id, reply);
	drover_reply_free(reply);
}

void drover_verbs_refuse(struct drover_agent *agent, uint64_t id, const struct drover_err *err)
{
	log_warning("refused: %s", err->text);
	drover_verbs_reply(agent, id, drover_reply_error(err));
}
