-- A step: one thread changed on a copy, then written as a whole; nothing is written before all is
-- known to be right, for a script that fails half way is not undone.
--@ write
--@ ledger
-- The patch of a row: ARGV[at] pairs of place and value. Returns what comes behind it.
local function patch(row, at)
	local pairs_left = tonumber(ARGV[at])
	for i = 1, pairs_left do
		row[tonumber(ARGV[at + 2 * i - 1])] = ARGV[at + 2 * i]
	end
	return at + 1 + 2 * pairs_left
end

-- NONE is '0', ANY is '*'; revision nil: there is nothing.
local function expected(expect, revision)
	if expect == '*' then return nil end
	if expect == '0' then
		if revision then return 'EEXIST' end
	elseif expect ~= revision then
		return 'ESTALE'
	end
end

-- The thread a step begins with: {row, base, live, revive, doc…} and where the arguments go on, or
-- nil and the name of an error. `at`: the patch, then expect, kind ('': none, '+': text, '-') and
-- text of the document.
local function step_begin(gen, at)
	local row = thread_get(prefix, gen)
	if not row then return nil, 'ENOENT' end
	local live = is_live(row, now)
	local erase = tonumber(row[ERASE])
	if not live and (not flag(REVIVE) or (erase >= 0 and erase <= now)) then
		return nil, 'ENOENT'
	end
	local base = base_of(prefix, row, gen)
	if is_lost(base, row) then return nil, 'EIO' end
	local step = {gen = gen, row = row, base = base, names = {}}
	if not live then step.was = {unpack(row)} end
	at = patch(row, at)
	step.doc = ARGV[at + 1]
	if step.doc ~= '' then
		local revision = row[DOC_REVISION] ~= '0' and row[DOC_REVISION] or nil
		local wrong = expected(ARGV[at], revision)
		if wrong then return nil, 'ESTALE' end
		step.doc_text = ARGV[at + 2]
	end
	step.revive = not live and not live_other(prefix, row[ID], gen, now)
	step.renew = step.revive or (live and flag(RENEW))
	return step, at + 3
end

-- Gives out `count` revisions for files behind the thread's own.
local function step_revisions(step, count)
	local last = redis.call('INCRBY', prefix .. 'revision', count + 1)
	step.row[REVISION] = last - count
	step.revision = last - count
	step.row[CTIME] = time_ns
	if step.doc ~= '' then step.row[DOC_REVISION] = step.row[REVISION] end
end

-- What is left when the files are written: document, deadline, row, and the news of it.
local function step_end(step)
	local row, gen = step.row, step.gen
	if step.doc == '+' then
		redis.call('HSET', step.base .. 'files', '/', step.doc_text)
		row[DOC_SIZE] = #step.doc_text
	elseif step.doc == '-' then
		redis.call('HDEL', step.base .. 'files', '/')
		row[DOC_SIZE] = '-1'
	end
	if step.revive then
		row[LIFE] = row[LIFE] + 1
		redis.call('HSET', prefix .. 'live', row[ID], gen)
	end
	if step.renew then renew(prefix, gen, row, now, grace) end
	keys_expire(step.base, row, now, skew)
	row_put(prefix, gen, row)
	if step.revive then tell(prefix, writer, 'T', gen, row) end
	tell(prefix, writer, #step.names > 0 and 'F' or 'T', gen, row, step.names)
	if step.revive then ledger_back(prefix, now, gen, step.was, row) end
end
