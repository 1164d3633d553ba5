-- Lines for the ledger KEYS[2], a list with its newest last. ARGV from 3 on: of each line a mark, which however
-- many mounts tell once ('' for none), the thread's deadline, and its text, before which its number goes, from the
-- counter KEYS[3]. KEYS[4] begins the keys of marks, which keep the deadline that was told of: each mount reckons it
-- for itself, so that a second more or less is the same one, and who saw only the last of a thread knew of none.
local function first(mark, deadline)
	local told = tonumber(redis.call('GET', KEYS[4] .. mark) or '')
	local never = 2 ^ 62
	if told and (math.max(told, tonumber(deadline)) > never or math.abs(told - tonumber(deadline)) <= 1000) then
		return false
	end
	redis.call('SET', KEYS[4] .. mark, deadline, 'EX', '86400')
	return true
end

for a = 3, #ARGV, 3 do
	local mark, line = ARGV[a], ARGV[a + 2]
	if mark == '' or first(mark, ARGV[a + 1]) then
		local seq = redis.call('INCR', KEYS[3])
		redis.call('RPUSH', KEYS[2], string.format('%.0f ', seq) .. line)
		redis.call('LTRIM', KEYS[2], -10000, -1)
	end
end
return finish{'ok'}
