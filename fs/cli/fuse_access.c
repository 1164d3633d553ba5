/* Whether this user may mount with FUSE, asked before anything is opened. */
#include "fuse_access.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FUSE_CONF "/etc/fuse.conf"

/* libfuse opens it as the caller, before it asks fusermount3. */
static int check_device(struct errtext *error)
{
	CLEAN_FD int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	return errtext_set(error, -errno,
		"cannot open /dev/fuse: %s; as root run 'modprobe fuse; chmod 666 /dev/fuse', or "
		"start "
		"the container with '--device /dev/fuse --cap-add SYS_ADMIN'",
		strerror(errno));
}

/* As fusermount3 reads it: the word alone on a line, blanks and a comment aside. */
static bool users_may_share(void)
{
	CLEAN_FILE FILE *file = fopen(FUSE_CONF, "re");
	CLEAN_FREE char *line = NULL;
	char word[32], more;
	size_t capacity = 0;
	if (!file && errno == EACCES) /* fusermount3 may read it: let it decide */
		return true;
	while (file && getline(&line, &capacity, file) >= 0) {
		line[strcspn(line, "#\n")] = '\0';
		if (sscanf(line, "%31s %c", word, &more) == 1 && !strcmp(word, "user_allow_other"))
			return true;
	}
	return false;
}

int fuse_access_check(bool shared, struct errtext *error)
{
	if (shared && geteuid() != 0 && !users_may_share())
		return errtext_set(error, -EPERM,
			"allow_other and allow_root are refused to users here: have root add the "
			"line user_allow_other to " FUSE_CONF ", or leave the option out");
	return check_device(error);
}
