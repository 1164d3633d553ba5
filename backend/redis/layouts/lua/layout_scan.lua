-- One step of a pass over the keys: cursor ARGV[1], pattern, count, type, and '1' if an element's shape
-- must tell whose a list is. {next cursor, key, deadline, elements, first element, key, …}; of a HASH,
-- a side key, instead of elements 1 if it is of a thread that has none.
--@ layout_deadline
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', ARGV[4])
local found = {page[1]}
for _, key in ipairs(page[2]) do
	local count, first = 0, ''
	if ARGV[4] == 'list' then
		count = redis.call('LLEN', key)
		first = ARGV[5] == '1' and redis.call('LINDEX', key, 0) or ''
	elseif ARGV[4] == 'hash' then
		count = redis.call('HEXISTS', key, 'made')
	end
	local n = #found
	found[n + 1], found[n + 2], found[n + 3], found[n + 4] =
		key, deadline(key), count, first
end
return found
