-- Gives a claim of this mount back, if it is still there. ARGV[10]: the name.
--@ write
local row = thread_get(prefix, gen)
if row then
	local key = base_of(prefix, row, gen) .. 'claims'
	local claim = redis.call('HGET', key, ARGV[10])
	if claim and string.match(claim, '^%S+') == writer then redis.call('HDEL', key, ARGV[10]) end
end
return finish{'ok'}
