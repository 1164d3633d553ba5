-- 1 if turnfs itself has set that deadline, as the side key says, which may be anything; else 0.
local function set_here(side, ends)
	local said = redis.call('TYPE', side).ok == 'hash' and redis.call('HGET', side, 'ttl')
	local till = tonumber(string.match(said or '', '^%d+ (%d+)$'))
	return till and math.abs(till - ends) < 1000 and 1 or 0
end
