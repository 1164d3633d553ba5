-- Erases threads whose grace is over, or whose keys the server has erased by itself: ARGV[10] at the
-- most. Each gets its line in the ledger.
--@ write
--@ ledger
needs_no_memory()
local purged = 0
for _, due in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'deadlines', '-inf', text(now), 'LIMIT', 0, 200)) do
	local line = redis.call('HGET', prefix .. 'threads', due)
	local row = line and row_parse(line)
	if line and not row then
		-- Damaged: it is for whoever asks for it to say so.
	elseif not row then -- lost
		redis.call('ZREM', prefix .. 'deadlines', due)
		redis.call('ZREM', prefix .. 'gens', due)
	elseif is_live(row, now) then
		redis.call('ZADD', prefix .. 'deadlines', row[DEADLINE], due)
	elseif purged < tonumber(ARGV[10]) and
		(now - tonumber(row[DEADLINE]) >= grace or tonumber(row[ERASE]) <= now) then
		thread_erase(prefix, due, row)
		tell(prefix, writer, 'G', due, row)
		ledger_say(prefix, now, PURGED, due, row, row[ID], '')
		purged = purged + 1
	end
end
return finish{purged}
