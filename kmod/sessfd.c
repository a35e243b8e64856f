// SPDX-License-Identifier: GPL-2.0-only
/* See sessfd.h. Copies to and from user space, checks form, and leaves the rest to the session. */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "sessfd.h"
#include "session.h"
#include "stream.h"
#include "trace.h"

static int ioctl_start(struct drover_session *session, void __user *arg)
{
	struct drover_start start;
	struct drover_reason why = {};
	int ret;

	if (copy_from_user(&start, arg, sizeof(start)))
		return -EFAULT;
	start.slots = 0;
	if (start.flags)
		ret = drover_refuse(&why, -EINVAL, "unknown flags");
	else
		ret = drover_session_start(session, &start.slots, &why);
	memcpy(start.reason, why.text, sizeof(start.reason));
	if (copy_to_user(arg, &start, sizeof(start)) && !ret) {
		drover_session_stop(session);
		ret = -EFAULT;
	}
	return ret;
}

static int ioctl_harvest(struct drover_session *session, void __user *arg)
{
	struct drover_harvest harvest = {};
	int ret;

	if (copy_from_user(&harvest.flags, arg, sizeof(harvest.flags)))
		return -EFAULT;
	if (harvest.flags)
		return -EINVAL;
	ret = drover_session_harvest(session, &harvest);
	if (ret)
		return ret;
	return copy_to_user(arg, &harvest, sizeof(harvest)) ? -EFAULT : 0;
}

static int ioctl_sample(struct drover_session *session, void __user *arg)
{
	struct drover_sample sample;
	int ret;

	if (copy_from_user(&sample, arg, sizeof(sample)))
		return -EFAULT;
	if (sample.flags || !sample.one_in || sample.one_in > DROVER_SAMPLE_ONE_IN_MAX)
		return -EINVAL;
	sample.sampled_pages = 0;
	sample.written_pages = 0;
	sample.looked_pages = 0;
	sample.accessed_pages = 0;
	ret = drover_session_sample(session, &sample);
	if (ret)
		return ret;
	return copy_to_user(arg, &sample, sizeof(sample)) ? -EFAULT : 0;
}

static int ioctl_take(struct drover_session *session, void __user *arg)
{
	struct drover_take take;
	int ret;

	if (copy_from_user(&take, arg, sizeof(take)))
		return -EFAULT;
	ret = drover_stream_take(&session->ram, &session->bitmap, &take);
	if (ret)
		return ret;
	if (copy_to_user(arg, &take, sizeof(take))) {
		drover_stream_untake(&session->bitmap, &take);
		return -EFAULT;
	}
	drover_stats_add(&session->stats, DROVER_STAT_ZERO_PAGES, take.zero_pages);
	return 0;
}

static int ioctl_send(struct drover_session *session, void __user *arg)
{
	struct drover_send send;
	int ret;

	if (copy_from_user(&send, arg, sizeof(send)))
		return -EFAULT;
	ret = drover_stream_send(&session->ram, &session->stats, &send);
	trace_drover_send(session->id, send.first, send.count, send.bytes, ret);
	if (copy_to_user(arg, &send, sizeof(send)))
		return -EFAULT;
	return ret;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct drover_session *session = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case DROVER_IOC_START:
		return ioctl_start(session, user);
	case DROVER_IOC_HARVEST:
		return ioctl_harvest(session, user);
	case DROVER_IOC_TAKE:
		return ioctl_take(session, user);
	case DROVER_IOC_SEND:
		return ioctl_send(session, user);
	case DROVER_IOC_SAMPLE:
		return ioctl_sample(session, user);
	case DROVER_IOC_STOP:
		return drover_session_stop(session);
	default:
		return -ENOTTY;
	}
}

static int session_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct drover_session *session = file->private_data;

	return drover_bitmap_mmap(&session->bitmap, vma);
}

static __poll_t session_poll(struct file *file, poll_table *table)
{
	return drover_session_poll(file->private_data, file, table);
}

static int session_release(struct inode *inode, struct file *file)
{
	drover_session_destroy(file->private_data);
	return 0;
}

static const struct file_operations session_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = session_ioctl,
	.mmap = session_mmap,
	.poll = session_poll,
	.release = session_release,
	.llseek = noop_llseek,
};

static int check_request(const struct drover_session_create *request, struct drover_reason *why)
{
	if (request->size != sizeof(*request))
		return drover_refuse(why, -EINVAL, "the request has the size of another version");
	if (request->flags & ~DROVER_SESSION_NO_VMM_WRITES)
		return drover_refuse(why, -EINVAL, "unknown flags");
	if (!request->ram_count || request->ram_count > DROVER_RAM_FILES_MAX)
		return drover_refuse(why, -EINVAL, "a VM has 1 to %d RAM files",
				     DROVER_RAM_FILES_MAX);
	if (strnlen(request->name, sizeof(request->name)) == sizeof(request->name))
		return drover_refuse(why, -EINVAL, "the name is too long");
	return 0;
}

/* Return: the session's file, which owns @request's session, or an error pointer. */
static struct file *open_session(struct drover_session_create *request, struct drover_reason *why)
{
	s32 ram_fds[DROVER_RAM_FILES_MAX];
	struct drover_session *session;
	struct file *file;
	int ret;

	ret = check_request(request, why);
	if (ret)
		return ERR_PTR(ret);
	if (copy_from_user(ram_fds, u64_to_user_ptr(request->ram_fds),
			   request->ram_count * sizeof(ram_fds[0])))
		return ERR_PTR(-EFAULT);
	ret = drover_session_create(&session, request, ram_fds, why);
	if (ret)
		return ERR_PTR(ret);
	request->id = session->id;
	request->ram_pages = session->ram.pages;
	file = anon_inode_getfile("[drover-session]", &session_fops, session, O_RDWR | O_CLOEXEC);
	if (IS_ERR(file))
		drover_session_destroy(session);
	return file;
}

static int ioctl_create(void __user *arg)
{
	struct drover_session_create request;
	struct drover_reason why = {};
	struct file *file;
	int fd;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = open_session(&request, &why);
	memcpy(request.reason, why.text, sizeof(request.reason));
	if (copy_to_user(arg, &request, sizeof(request))) {
		if (!IS_ERR(file))
			fput(file);
		file = ERR_PTR(-EFAULT);
	}
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == DROVER_IOC_SESSION_CREATE)
		return ioctl_create((void __user *)arg);
	return -ENOTTY;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "drover",
	.fops = &device_fops,
	.mode = 0600,
};

int drover_sessfd_init(void)
{
	return misc_register(&device);
}

void drover_sessfd_exit(void)
{
	misc_deregister(&device);
}
