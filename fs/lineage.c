/* Our own changes of files, from one revision to the next. */
#include "lineage.h"

#include "backup_copy.h"

enum { STEPS = 4096, FAR = 256 };

struct lineage {
	struct step {
		uint64_t to, from;
	} steps[STEPS]; /* by `to`; fs->lock */
};

int lineage_init(struct fs *fs)
{
	if (!fs->store->ops->shared)
		return 0;
	fs->lineage = calloc(1, sizeof *fs->lineage);
	return fs->lineage ? 0 : -ENOMEM;
}

void lineage_done(struct fs *fs)
{
	free(fs->lineage);
	fs->lineage = NULL;
}

void lineage_note(struct fs *fs, const struct change *changes, size_t count)
{
	if (!fs->lineage)
		return;
	fs_lock(fs);
	for (size_t i = 0; i < count; i++) {
		const struct change *c = &changes[i];
		if (c->kind == CHANGE_REMOVE || c->expect == STORE_REVISION_ANY)
			continue;
		fs->lineage->steps[c->ret_revision % STEPS] =
			(struct step){.to = c->ret_revision, .from = c->expect};
	}
	fs_unlock(fs);
}

bool lineage_leads(struct fs *fs, uint64_t from, uint64_t to)
{
	if (!fs->lineage)
		return true;
	for (int i = 0; i < FAR && to != from; i++) {
		const struct step *step = &fs->lineage->steps[to % STEPS];
		if (step->to != to || to == STORE_REVISION_NONE)
			return false;
		to = step->from;
	}
	return to == from;
}

int lineage_expect(struct fs *fs, struct thread_ref ref, const char *name, uint64_t *ret)
{
	struct file_info info;
	*ret = STORE_REVISION_ANY;
	if (!fs->lineage)
		return 0;
	int rc = store_file_stat(fs->store, ref, name, &info);
	if (rc < 0)
		return rc;
	*ret = info.revision;
	file_info_done(&info);
	return 0;
}

void lineage_adopt(struct fs *fs, struct file *file, uint64_t revision)
{
	if (!file->known || lineage_leads(fs, file->info.revision, revision))
		file->info.revision = revision;
}

void lineage_settle(struct fs *fs, uint64_t gen)
{
	if (fs->lineage)
		backup_change_settle(fs, gen);
}
