-- The leases of this mount's claims, ARGV[10] ms from now on. From ARGV[11]: generation and name of each.
--@ write
for a = 11, #ARGV, 2 do
	local row = thread_get(prefix, ARGV[a])
	if row then
		local key = base_of(prefix, row, ARGV[a]) .. 'claims'
		local claim = redis.call('HGET', key, ARGV[a + 1])
		if claim and string.match(claim, '^%S+') == writer then
			redis.call('HSET', key, ARGV[a + 1], writer .. ' ' .. text(now + tonumber(ARGV[10])))
		end
	end
end
return finish{'ok'}
