-- What the scripts that change threads share.
--@ thread
local function is_live(row, now)
	local deadline = tonumber(row[DEADLINE])
	return deadline < 0 or deadline > now
end

-- The number of a turn's name, or nil.
local function turn_number(name)
	local number, role = string.match(name, '^(%d%d%d%d%d%d)%-([a-z][a-z0-9_%-]*)%.md$')
	if not number or number == '000000' or #role > 32 then return nil end
	return tonumber(number)
end

-- Writes the row; deadlines go by `now`, which is the server's but for tests.
local function row_put(prefix, gen, row)
	redis.call('HSET', prefix .. 'threads', gen, row_format(row))
end

-- A new deadline. In the index a thread may stand too early, never too late: whoever finds it there
-- looks at its row.
local function renew(prefix, gen, row, now, grace)
	local ttl, before = tonumber(row[TTL]), tonumber(row[DEADLINE])
	if ttl < 0 then
		row[DEADLINE], row[ERASE] = '-1', '-1'
		redis.call('ZREM', prefix .. 'deadlines', gen)
		return
	end
	row[DEADLINE], row[ERASE] = now + ttl, now + ttl + grace
	if before < 0 or row[DEADLINE] < before then
		redis.call('ZADD', prefix .. 'deadlines', text(row[DEADLINE]), gen)
	end
end

-- All keys of a thread go at one instant, KEEP: when it is erased, or a little later (a 64th of its
-- time, a minute at the most), so that not every turn moves it. A key that the step made has none yet.
-- `skew`: what the server's clock is ahead of `now`, which may be a test's.
local function keys_expire(base, row, now, skew)
	local erase, keep = tonumber(row[ERASE]), tonumber(row[KEEP])
	local most = erase + math.min((erase - now) / 64, 60000)
	local move = erase < 0 and keep >= 0 or erase >= 0 and (keep < erase or keep > most)
	if move then row[KEEP] = erase < 0 and '-1' or math.floor(math.max(most, erase)) end
	for _, key in ipairs{base .. 'names', base .. 'files'} do
		if erase < 0 then
			if move then redis.call('PERSIST', key) end
		elseif move or redis.call('PTTL', key) == -1 then
			redis.call('PEXPIREAT', key, text(row[KEEP] + skew))
		end
	end
end

-- Before a step that makes room: a server without memory refuses no write behind one that needs none.
local function needs_no_memory()
	redis.call('HDEL', KEYS[1], '')
end

-- The thread is no more: every key of it, every index.
local function thread_erase(prefix, gen, row)
	local base = base_of(prefix, row, gen)
	redis.call('UNLINK', base .. 'names', base .. 'files', base .. 'claims')
	if redis.call('HGET', prefix .. 'live', row[ID]) == gen then
		redis.call('HDEL', prefix .. 'live', row[ID])
	end
	redis.call('HDEL', prefix .. 'threads', gen)
	redis.call('HDEL', prefix .. 'told', gen)
	redis.call('ZREM', prefix .. 'gens', gen)
	redis.call('ZREM', prefix .. 'deadlines', gen)
end

-- Tells the other mounts: of a thread ('T'), that it is gone as it should be ('G'), of files of it
-- ('F' and their names).
local function tell(prefix, writer, kind, gen, row, names)
	local message = writer .. ' ' .. kind .. ' ' .. gen .. '\n' .. row[ID]
	if names and #names > 0 then message = message .. '\n' .. table.concat(names, '\n') end
	redis.call('PUBLISH', prefix .. 'changes', message)
end

-- The live thread of an id other than `gen`: its generation and row.
local function live_other(prefix, id, gen, now)
	local other = redis.call('HGET', prefix .. 'live', id)
	if not other or other == gen then return nil end
	local row = thread_get(prefix, other)
	if row and is_live(row, now) then return other, row end
end

-- ARGV of every script that changes a thread, from 3 on.
local prefix, gen, writer = ARGV[3], ARGV[4], ARGV[5]
local now = ARGV[6] == '' and server_ms() or tonumber(ARGV[6])
local skew = ARGV[6] == '' and 0 or server_ms() - now
local grace, flags, time_ns = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local RENEW, REVIVE = 2, 4
local function flag(which)
	return math.floor(flags / which) % 2 == 1
end
