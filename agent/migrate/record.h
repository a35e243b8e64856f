/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must survive a power loss so that a VM never runs twice: the source's
 * commits, the target's decisions, and where a VM went. One small JSON file each
 * under <state_dir>/migrations/ and <state_dir>/placement/.
 */
#ifndef DROVER_MIGRATE_RECORD_H
#define DROVER_MIGRATE_RECORD_H

#include <stddef.h>

#include "base/err.h"
#include "core/model.h"

/**
 * struct drover_commit_disk - a disk that travelled: an image on each host, both the same
 */
struct drover_commit_disk {
	char disk[DROVER_NAME_LEN];
	char old_path[DROVER_FIELD_LEN];
	char old_format[16];
	char new_path[DROVER_FIELD_LEN];
	char new_format[16];
};

/**
 * struct drover_commit - a source's durable commit
 * @delete_old: delete the images of its disks here, once the target says that the VM runs
 *
 * While it exists the source never resumes the VM by itself.
 */
struct drover_commit {
	uint64_t id;
	char vm[DROVER_NAME_LEN];
	char target[DROVER_NAME_LEN];
	bool delete_old;
	uint32_t disk_count;
	struct drover_commit_disk disks[DROVER_DISKS_MAX];
};

/* A target decides once per migration, and the first decision stands for ever. */
enum drover_decision {
	DROVER_DECISION_NONE,
	DROVER_DECISION_RUNNING,	/* the target runs the VM */
	DROVER_DECISION_NEVER,		/* the target never will */
};

/** drover_record_init() - make the directories */
int drover_record_init(const struct drover_conf *conf, struct drover_err *err);

int drover_record_commit(const struct drover_conf *conf, const struct drover_commit *commit,
			 struct drover_err *err);

/** drover_record_settle() - the outcome of a commit is known: forget it */
int drover_record_settle(const struct drover_conf *conf, uint64_t id, struct drover_err *err);

/**
 * drover_record_commits() - all commits whose outcome is not known
 * @ret_commits: out: array of *@ret_count, to be freed
 */
int drover_record_commits(const struct drover_conf *conf, struct drover_commit **ret_commits,
			  size_t *ret_count, struct drover_err *err);

/**
 * drover_record_check_settled() - may a VM of this name run here?
 *
 * Errors: -EBUSY while a commit names it: an agent that finds that commit when it starts would end
 * the VM, once the target of then says that it has run there. -EBADMSG where one is damaged: it may
 * be of any VM.
 */
int drover_record_check_settled(const struct drover_conf *conf, const char *vm,
				struct drover_err *err);

/**
 * drover_record_decide() - write a decision down unless there is one
 * @source: name of the source host
 * @id: the source's number of the migration
 * @want: the decision to take
 * @ret_got: out: the decision that stands, be it @want or an earlier one
 *
 * Safe from several threads.
 */
int drover_record_decide(const struct drover_conf *conf, const char *source, uint64_t id,
			 enum drover_decision want, enum drover_decision *ret_got,
			 struct drover_err *err);

/**
 * drover_record_retract() - RUNNING did not come true: NEVER stands from now on
 *
 * Only while nobody can have been told RUNNING, and after the VM's process has ended.
 */
int drover_record_retract(const struct drover_conf *conf, const char *source, uint64_t id,
			  struct drover_err *err);

/** drover_record_moved() - VM @vm runs on @host now; NULL: forget where it went */
int drover_record_moved(const struct drover_conf *conf, const char *vm, const char *host,
			struct drover_err *err);

/** drover_record_where() - where @vm went; @ret_host is empty when nothing is known */
int drover_record_where(const struct drover_conf *conf, const char *vm,
			char ret_host[DROVER_NAME_LEN], struct drover_err *err);

#endif
