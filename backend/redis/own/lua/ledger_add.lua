-- Lines for the ledger: ARGV[3] the prefix, ARGV[4] and ARGV[5] the causes that every mount sees for itself (expired,
-- lost) and that are told once a deadline; then 8 of each line: time, generation, cause, ttl, deadline,
-- turns, id, detail.
--@ thread
--@ ledger
local prefix = ARGV[3]
for a = 6, #ARGV, 8 do
	local gen, cause, deadline = ARGV[a + 1], ARGV[a + 2], ARGV[a + 4]
	local told = false
	if (cause == ARGV[4] or cause == ARGV[5]) and gen ~= '0' then
		local mark = cause .. ' ' .. deadline
		told = redis.call('HGET', prefix .. 'told', gen) == mark
		if not told then redis.call('HSET', prefix .. 'told', gen, mark) end
	end
	if not told then
		ledger_put(prefix, ARGV[a], gen, cause, ARGV[a + 3], deadline, ARGV[a + 5], ARGV[a + 6], ARGV[a + 7])
	end
end
return finish{'ok'}
