/* Renames over thread.json and of it (M3). */
#include "renaming.h"

#include "doc.h"
#include "entry.h"
#include "file.h"

#include "base/name.h"

#include <stdio.h>

int rename_over_doc(struct renaming *r)
{
	struct fs *fs = r->fs;
	if (r->across)
		return -EXDEV;
	fs_lock(fs);
	struct file *file = file_get(fs, r->node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file_busy(fs, file);
	file->users++;
	fs_unlock(fs);
	int rc = file_load(fs, r->node);
	if (!rc) {
		fs_lock(fs);
		CLEAN_BLOB struct blob *text = blob_ref(file->content);
		struct file_info source = file->info;
		bool draft = file->draft;
		fs_unlock(fs);
		snprintf(source.name, sizeof source.name, "%s", draft ? "" : r->name);
		rc = doc_write(fs, r->from, text, &source, &source.mtime_ns, NULL);
	}
	fs_lock(fs);
	if (!rc) {
		file->unlinked = true;
		node_becomes(fs, r->node, NODE_DOC, ENTRY_DOC, r->from->doc_ino);
	}
	file->users--;
	file_idle(fs, file);
	fs_unlock(fs);
	return rc;
}

int rename_doc_away(struct renaming *r)
{
	struct fs *fs = r->fs;
	CLEAN_BLOB struct blob *text = NULL;
	uint64_t ino;
	if (r->across || name_turn_parse(r->new_name, NULL, NULL))
		return -EXDEV;
	struct thread_info info;
	int rc = store_thread_stat(fs->store, thread_ref(r->from), &info);
	if (!rc)
		rc = doc_text(fs, r->from, &text);
	if (!rc)
		rc = fs_ino_new(fs, &ino);
	if (rc < 0)
		return rc;
	struct change changes[2] = {
		{.kind = CHANGE_REMOVE, .name = r->new_name, .expect = STORE_REVISION_ANY},
		{
			.kind = CHANGE_PUT,
			.name = r->new_name,
			.expect = STORE_REVISION_NONE,
			.set = SET_CONTENT | SET_MODE | SET_OWNER | SET_MTIME,
			.ino = ino,
			.mode = info.doc.mode,
			.uid = info.doc.uid,
			.gid = info.doc.gid,
			.mtime_ns = info.doc.mtime_ns,
			.content = text,
		}};
	struct thread_change thread = {.time_ns = fs_now_ns(fs)};
	rc = store_apply(fs->store, thread_ref(r->from), &thread, changes, 2,
		name_is_scratch(r->new_name) ? 0 : STORE_RENEW, &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	thread_update(fs, r->from, &info);
	r->from->doc_hidden = r->from->revision;
	if (r->victim)
		node_unhash(fs, r->victim);
	node_becomes(fs, r->node, NODE_FILE, r->new_name, ino);
	fs_unlock(fs);
	return 0;
}
