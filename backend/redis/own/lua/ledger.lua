-- The ledger: threads that went, or came back; docs/redis-schema.md tells its keys and lines.
local EXPIRED, DELETED, RENAMED, RESTORED, PURGED, LOST = 1, 2, 3, 4, 5, 6

-- A line: its number, time, generation, cause, ttl, deadline, turns, and two lines more, the id and the
-- detail. The last 10 000 are kept.
local function ledger_put(prefix, time, gen, cause, ttl, deadline, turns, id, detail)
	local seq = redis.call('INCR', prefix .. 'ledger:seq')
	local line = table.concat({text(seq), time, gen, cause, ttl, deadline, turns}, ' ') .. '\n' .. id .. '\n' .. detail
	redis.call('ZADD', prefix .. 'ledger', seq, line)
	redis.call('ZREMRANGEBYRANK', prefix .. 'ledger', 0, -10001)
end

-- Whether it is not in the ledger yet that a thread went for that cause at that deadline; now it is.
local function ledger_first(prefix, gen, cause, deadline)
	local mark = cause .. ' ' .. deadline
	if redis.call('HGET', prefix .. 'told', gen) == mark then return false end
	redis.call('HSET', prefix .. 'told', gen, mark)
	return true
end

-- The line of a step. It comes last in it, and what is wrong with the ledger stops no step.
local function ledger_say(prefix, now, cause, gen, row, id, detail)
	local turns = cause == DELETED and row[LAST_TURN] or row[TURNS]
	local deadline = row[DEADLINE] == '-1' and '9223372036854775807' or row[DEADLINE]
	pcall(ledger_put, prefix, text(now), gen, cause, row[TTL], deadline, turns, id, detail)
end

-- The lines of a thread that came back; `was`: its row as it lay there.
local function ledger_back(prefix, now, gen, was, row)
	local asked, first = pcall(ledger_first, prefix, gen, EXPIRED, was[DEADLINE])
	if asked and first then ledger_say(prefix, now, EXPIRED, gen, was, was[ID], '') end
	ledger_say(prefix, now, RESTORED, gen, row, was[ID], row[ID])
end
