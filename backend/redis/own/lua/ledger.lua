-- A line of the ledger: its number, time, generation, cause, ttl, deadline, turns, and two lines more,
-- the id and the detail. The last 10 000 are kept.
local function ledger_put(prefix, time, gen, cause, ttl, deadline, turns, id, detail)
	local seq = redis.call('INCR', prefix .. 'ledger:seq')
	local line = table.concat({text(seq), time, gen, cause, ttl, deadline, turns}, ' ') .. '\n' .. id .. '\n' .. detail
	redis.call('ZADD', prefix .. 'ledger', seq, line)
	redis.call('ZREMRANGEBYRANK', prefix .. 'ledger', 0, -10001)
end
