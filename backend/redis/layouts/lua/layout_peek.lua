-- What became of some keys: KEYS are pairs of a thread's key and its side key; ARGV[1] is the type that
-- counts, ARGV[2] '1' as for scan.lua. For each pair {is it there, ms left, elements, first element}.
local found = {}
for i = 1, #KEYS, 2 do
	local key, there, count, first = KEYS[i], 0, 0, ''
	local lives = key
	if redis.call('TYPE', key).ok == ARGV[1] then
		there = 1
		if ARGV[1] == 'list' then
			count = redis.call('LLEN', key)
			first = ARGV[2] == '1' and redis.call('LINDEX', key, 0) or ''
		end
	elseif redis.call('TYPE', KEYS[i + 1]).ok == 'hash' and redis.call('HEXISTS', KEYS[i + 1], 'made') == 1 then
		there, lives = 2, KEYS[i + 1]
	end
	local n = #found
	found[n + 1], found[n + 2], found[n + 3], found[n + 4] =
		there, redis.call('PTTL', lives), count, first
end
return found
