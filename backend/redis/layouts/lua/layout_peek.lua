-- What became of some keys: KEYS are pairs of a thread's key and its side key; ARGV[1] is the type that
-- counts, ARGV[2] '1' as for scan.lua. For each pair {is it there (1 yes; 2: its side key says that it is,
-- without turns; 4 more if it has a side key), deadline, elements, first element,
-- whether turnfs has set the deadline, rev of the side key}.
--@ layout_deadline
--@ layout_set_here
local found = {}
for i = 1, #KEYS, 2 do
	local key, there, count, first, rev = KEYS[i], 0, 0, '', ''
	local lives = key
	if redis.call('TYPE', key).ok == ARGV[1] then
		there = 1
		if ARGV[1] == 'list' then
			count = redis.call('LLEN', key)
			first = ARGV[2] == '1' and redis.call('LINDEX', key, 0) or ''
		end
	end
	if redis.call('TYPE', KEYS[i + 1]).ok == 'hash' then
		if redis.call('HEXISTS', KEYS[i + 1], 'made') == 1 then
			lives = there == 0 and KEYS[i + 1] or key
			there = there + 2
		end
		there = there + 4
		rev = redis.call('HGET', KEYS[i + 1], 'rev') or ''
	end
	local n, ends = #found, deadline(lives)
	found[n + 1], found[n + 2], found[n + 3], found[n + 4], found[n + 5], found[n + 6] =
		there, ends, count, first, set_here(KEYS[i + 1], ends), rev
end
return found
