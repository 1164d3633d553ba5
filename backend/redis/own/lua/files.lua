-- Files changed on a copy, of one thread or of two.
--@ step
-- Places in a file's row; its metadata is what follows the eighth word.
local F_REVISION, F_SIZE, F_MTIME, F_CTIME, F_MODE, F_UID, F_GID, F_INO, F_META = 1, 2, 3, 4, 5, 6, 7, 8, 9

local function file_parse(line)
	local file = {string.match(line, '^(%d+) (%d+) (%-?%d+) (%-?%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')}
	if #file ~= F_META then error('ERR turnfs: the row of a file is not one') end
	return file
end

-- The file of that name as the step has it by now: {row = …, from = the name its content is stored
-- under, or content = …}, or false. `before`: how it was before the step.
local function file_get(step, name)
	local entry = step.files[name]
	if entry == nil then
		local line = redis.call('HGET', step.base .. 'files', name)
		entry = {now = false, before = false}
		if line then
			local file = file_parse(line)
			entry.before = {row = file, step = step, from = name, size = tonumber(file[F_SIZE])}
			entry.now = entry.before
		end
		step.files[name] = entry
	end
	return entry.now
end

local function file_set(step, name, file)
	file_get(step, name)
	step.files[name].now = file
end

-- A copy of `old` (or a new file) with what change number `i` sets. ARGV from `a`: mask, inode
-- number, mode, uid, gid, mtime, metadata, content.
local MODE, OWNER, TIME, META, CONTENT = 1, 2, 4, 8, 16
local function file_changed(step, old, a, i)
	local mask = tonumber(ARGV[a])
	local function sets(which)
		return not old or math.floor(mask / which) % 2 == 1
	end
	local row = old and {unpack(old.row)} or {}
	if not old then row[F_INO] = ARGV[a + 1] end
	if sets(MODE) then row[F_MODE] = ARGV[a + 2] end
	if sets(OWNER) then row[F_UID], row[F_GID] = ARGV[a + 3], ARGV[a + 4] end
	if sets(TIME) then row[F_MTIME] = ARGV[a + 5] end
	if sets(META) then row[F_META] = ARGV[a + 6] end
	row[F_REVISION], row[F_CTIME] = i, time_ns
	if sets(CONTENT) then
		row[F_SIZE] = #ARGV[a + 7]
		return {row = row, content = ARGV[a + 7], size = #ARGV[a + 7]}
	end
	return {row = row, step = old.step, from = old.from, content = old.content, size = old.size}
end

local function keep_last_turn(step, name)
	local number = turn_number(name)
	if number and number > tonumber(step.row[LAST_TURN]) then step.row[LAST_TURN] = number end
end

local function file_rename(from, to, a, i)
	local name, target = ARGV[a + 1], ARGV[a + 3]
	local old = file_get(from, name)
	if not old then
		return (ARGV[a + 2] == '*' or ARGV[a + 2] == '0') and 'ENOENT' or 'ESTALE'
	end
	local wrong = expected(ARGV[a + 2], old.row[F_REVISION])
	if wrong then return wrong end
	if from ~= to or name ~= target then
		local there = file_get(to, target)
		wrong = expected(ARGV[a + 4], there and there.row[F_REVISION])
		if wrong then return wrong end
	end
	local file = file_changed(from, old, a + 5, i)
	file_set(from, name, false)
	file_set(to, target, file)
	keep_last_turn(to, target)
end

-- Change number `i`, 13 arguments from `a`: kind (P, D, R), name, expect, to, to_expect and
-- file_changed's. Returns the name of an error, or nil.
local function file_change(step, a, i)
	if ARGV[a] == 'R' then return file_rename(step, step, a, i) end
	local old = file_get(step, ARGV[a + 1])
	local wrong = expected(ARGV[a + 2], old and old.row[F_REVISION])
	if wrong then return wrong end
	if ARGV[a] == 'D' then
		file_set(step, ARGV[a + 1], false)
	else
		file_set(step, ARGV[a + 1], file_changed(step, old, a + 5, i))
		keep_last_turn(step, ARGV[a + 1])
	end
end

-- N2, asked of the outcome: whether another turn has the number of `name`.
local function number_taken(step, name)
	local number = turn_number(name)
	if not number or not file_get(step, name) then return false end
	local digits = string.sub(name, 1, 6)
	local stored = redis.call('ZRANGEBYLEX', step.base .. 'names', '[' .. digits .. '-', '(' .. digits .. '.')
	for _, other in ipairs(stored) do
		if other ~= name and turn_number(other) and file_get(step, other) then return true end
	end
	for other, entry in pairs(step.files) do
		if other ~= name and entry.now and turn_number(other) == number then return true end
	end
	return false
end

-- Contents that move are read before anything is written over them. False: one is lost.
local function files_read(step)
	for name, entry in pairs(step.files) do
		local file = entry.now
		local moved = file and (file.step ~= step or file.from ~= name)
		if moved and not file.content then
			file.content = redis.call('HGET', file.step.base .. 'files', '/' .. file.from)
			if not file.content or #file.content ~= file.size then return false end
		end
	end
	return true
end

local function count(row, name, file, by)
	row[FILES] = row[FILES] + by
	row[BYTES] = row[BYTES] + by * file.size
	if turn_number(name) then row[TURNS] = row[TURNS] + by end
end

-- Everything of the copy into the keys; revisions become final. The content is written first and
-- the row of the thread last: what fails in between shows to nobody. What goes goes behind what comes,
-- so that a key does not vanish in between, and its PEXPIREAT with it.
local function files_write(step)
	local row, base = step.row, step.base
	for name, entry in pairs(step.files) do
		local file, before = entry.now, entry.before
		if file ~= before then
			step.names[#step.names + 1] = name
			if before then count(row, name, before, -1) end
		end
		if file and file ~= before then
			count(row, name, file, 1)
			file.row[F_REVISION] = text(step.revision + file.row[F_REVISION])
			if file.content then redis.call('HSET', base .. 'files', '/' .. name, file.content) end
			redis.call('HSET', base .. 'files', name, table.concat(file.row, ' '))
			redis.call('ZADD', base .. 'names', 0, name)
		end
	end
	for name, entry in pairs(step.files) do
		if entry.before and not entry.now then
			redis.call('ZREM', base .. 'names', name)
			redis.call('HDEL', base .. 'files', name, '/' .. name)
		end
	end
end
