/* What `turnfs mount` was asked for: arguments, environment and defaults put together. */
#include "request.h"

#include "args.h"
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An option as it came; those in the store's name must be applied before it. */
struct given {
	char *name; /* NULL: `value` is a list from -o */
	const char *value;
};

struct reading {
	struct mount_request *request;
	struct given *given;
	size_t given_count;
	const char *operands[2];
	int operand_count;
	const char *env_file;
	bool is_helper; /* we are mount.turnfs */
};

static void reading_done(struct reading *reading)
{
	for (size_t i = 0; i < reading->given_count; i++)
		free(reading->given[i].name);
	free(reading->given);
}

static int add_given(struct reading *reading, const char *name, const char *value)
{
	struct given given = {name ? strdup(name) : NULL, value};
	if (name && !given.name)
		return -ENOMEM;
	reading->given[reading->given_count++] = given;
	return 0;
}

static int need_value(struct args *args, const char **ret, struct errtext *error)
{
	const char *value = args_value(args);
	if (!value)
		return errtext_set(error, -EINVAL, "%s%s needs a value behind it",
			args_dashes(args), args->name);
	*ret = value;
	return 0;
}

/* mount(8) calls its helpers with letters of its own meaning. Whether it was one. */
static bool take_helper_letter(struct reading *reading, struct args *args, const char *name)
{
	if (!reading->is_helper || name[1] || !strchr("fnsvNt", name[0]))
		return false;
	if (strchr("Nt", name[0]))
		args_value(args);
	reading->request->fake |= name[0] == 'f';
	return true;
}

/* Whether it was one of the options without a value. */
static bool take_switch(struct mount_request *request, const char *name)
{
	if (!strcmp(name, "h") || !strcmp(name, "help"))
		request->help = true;
	else if (!strcmp(name, "V") || !strcmp(name, "version"))
		request->version = true;
	else if (!strcmp(name, "f") || !strcmp(name, "foreground"))
		request->foreground = true;
	else if (!strcmp(name, "d") || !strcmp(name, "debug"))
		request->foreground = request->options.mount.debug = true;
	else
		return false;
	return true;
}

static int take_option(
	struct reading *reading, struct args *args, const char *name, struct errtext *error)
{
	const char *value = NULL;
	bool takes_value;
	if (take_helper_letter(reading, args, name) || take_switch(reading->request, name))
		return 0;
	if (!strcmp(name, "o")) {
		int rc = need_value(args, &value, error);
		return rc < 0 ? rc : add_given(reading, NULL, value);
	}
	if (!strcmp(name, "env-file"))
		return need_value(args, &reading->env_file, error);
	if (!name[1] || !options_has(name, &takes_value))
		return errtext_set(error, -EINVAL,
			"there is no option %s%s: `turnfs mount --help` lists them",
			args_dashes(args), name);
	int rc = takes_value ? need_value(args, &value, error) : 0;
	if (!takes_value)
		value = args_given(args);
	return rc < 0 ? rc : add_given(reading, name, value);
}

static int take_operand(struct reading *reading, const char *text, struct errtext *error)
{
	if (reading->operand_count == 2)
		return errtext_set(error, -EINVAL,
			"'%s' is one too many: turnfs mount [OPTIONS] [STORE] MOUNTPOINT", text);
	reading->operands[reading->operand_count++] = text;
	return 0;
}

static int read_args(struct reading *reading, struct args *args, struct errtext *error)
{
	const char *text;
	for (enum arg_kind kind; (kind = args_next(args, &text)) != ARG_END;) {
		int rc = 0;
		if (kind == ARG_SURPLUS)
			return errtext_set(error, -EINVAL, "--%s takes no value", text);
		if (kind == ARG_OPTION)
			rc = take_option(reading, args, text, error);
		else if (!reading->request->help && !reading->request->version)
			rc = take_operand(reading, text, error);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int apply_given(struct reading *reading, struct errtext *error)
{
	struct cli_options *options = &reading->request->options;
	for (size_t i = 0; i < reading->given_count; i++) {
		const struct given *given = &reading->given[i];
		int rc = given->name ? options_set(options, given->name, given->value, error)
				     : options_set_list(options, given->value, error);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The last operand is the mountpoint, the one before it the store. */
static int sort_operands(struct reading *reading, const char **ret_store, struct errtext *error)
{
	int count = reading->operand_count;
	bool only_store = count == 1 && store_name_has_scheme(reading->operands[0]);
	bool asked = reading->given_count || reading->env_file || reading->request->foreground;
	bool is_empty = count && !*reading->operands[count - 1]; /* "$UNSET" */
	if (only_store || is_empty || (count == 0 && asked))
		return errtext_set(error, -EINVAL,
			"no mountpoint is named: turnfs mount [OPTIONS] [STORE] MOUNTPOINT");
	*ret_store = count == 2 ? reading->operands[0] : NULL;
	reading->request->mountpoint = count > 0 ? reading->operands[count - 1] : NULL;
	return 0;
}

/* The store, then the options in the order of their rank: STORE's, then those given. */
static int settle(struct reading *reading, const char *store, const struct environment *environment,
	struct errtext *error)
{
	struct mount_request *request = reading->request;
	int rc = store_name_choose(store, environment, &request->store, error);
	if (rc == 0 && request->store.query)
		rc = options_set_query(&request->options, request->store.query, error);
	if (rc == 0)
		rc = apply_given(reading, error);
	if (rc == 0)
		rc = options_set_hours(&request->options, environment->hours, error);
	if (rc == 0)
		rc = options_check(
			&request->options, request->store.kind == STORE_KIND_SERVER, error);
	return rc;
}

static int read_all(struct reading *reading, struct args *args, struct errtext *error)
{
	const struct mount_request *request = reading->request;
	struct environment environment;
	const char *store = NULL;
	int rc = read_args(reading, args, error);
	if (rc < 0 || request->help || request->version)
		return rc;
	rc = sort_operands(reading, &store, error);
	if (rc < 0 || !request->mountpoint)
		return rc;
	environment_init(&environment);
	if (reading->env_file)
		rc = environment_read(&environment, reading->env_file, error);
	if (rc == 0 && reading->env_file && !environment.redis_url && !environment.hours)
		cli_warn("%s sets neither REDIS_URL nor CONVERSATION_TIMEOUT_HOURS",
			reading->env_file);
	if (rc == 0)
		rc = settle(reading, store, &environment, error);
	environment_done(&environment);
	return rc;
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);
	return size >= end_size && !strcmp(text + size - end_size, end);
}

int mount_request_read(struct mount_request *request, int argc, char **argv, struct errtext *error)
{
	struct reading reading = {.request = request};
	struct args args;
	*request = (struct mount_request){0};
	options_init(&request->options);
	args_init(&args, argc, argv);
	reading.is_helper =
		ends_with(argv[0], "mount.turnfs") || ends_with(argv[0], "mount.fuse.turnfs");
	/* one cluster of letters may hold many options, but only the last has a value */
	reading.given = calloc((size_t)argc + 1, sizeof(*reading.given));
	int rc = reading.given ? read_all(&reading, &args, error)
			       : errtext_set(error, -ENOMEM, "out of memory");
	reading_done(&reading);
	if (rc < 0)
		mount_request_done(request);
	return rc;
}

void mount_request_done(struct mount_request *request)
{
	options_done(&request->options);
	store_name_done(&request->store);
}
