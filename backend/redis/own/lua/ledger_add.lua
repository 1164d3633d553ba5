-- Lines for the ledger: ARGV[3] the prefix, then 8 of each line: time, generation, cause, ttl, deadline,
-- turns, id, detail. What every mount sees for itself, that a thread expired or is lost, is entered once.
--@ thread
--@ ledger
local prefix = ARGV[3]

-- The step that brought it back has entered that it had expired.
local function has_come_back(gen, deadline)
	local line = redis.call('HGET', prefix .. 'threads', gen)
	local row = line and row_parse(line)
	return row and (row[DEADLINE] == '-1' or tonumber(row[DEADLINE]) > tonumber(deadline))
end

for a = 4, #ARGV, 8 do
	local gen, cause, deadline = ARGV[a + 1], tonumber(ARGV[a + 2]), ARGV[a + 4]
	local known = cause == EXPIRED and has_come_back(gen, deadline)
	if not known and (cause == EXPIRED or cause == LOST) and gen ~= '0' then
		known = not ledger_first(prefix, gen, cause, deadline)
	end
	if not known then
		ledger_put(prefix, ARGV[a], gen, cause, ARGV[a + 3], deadline, ARGV[a + 5], ARGV[a + 6], ARGV[a + 7])
	end
end
return finish{'ok'}
