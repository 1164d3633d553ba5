-- One step of a pass over the keys: cursor ARGV[1], pattern, count, type, and '1' if an element's shape
-- must tell whose a list is, what side keys begin with. {next cursor, key, deadline, elements, first element,
-- whether turnfs has set the deadline, key, …}; of a HASH, a side key, instead of elements 1 if it is of a
-- thread that has none.
--@ layout_deadline
--@ layout_set_here
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', ARGV[4])
local found = {page[1]}
for _, key in ipairs(page[2]) do
	local count, first, side = 0, '', ARGV[6] .. '{' .. key .. '}'
	if ARGV[4] == 'list' then
		count = redis.call('LLEN', key)
		first = ARGV[5] == '1' and redis.call('LINDEX', key, 0) or ''
	elseif ARGV[4] == 'hash' then
		count, side = redis.call('HEXISTS', key, 'made'), key
	end
	local n, ends = #found, deadline(key)
	found[n + 1], found[n + 2], found[n + 3], found[n + 4], found[n + 5] =
		key, ends, count, first, set_here(side, ends)
end
return found
