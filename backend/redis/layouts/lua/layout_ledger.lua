-- Lines for the ledger KEYS[2], a list with its newest last. ARGV from 3 on: of each line a mark, which however
-- many mounts tell once ('' for none), and its text, before which its number goes, from the counter
-- KEYS[3]. KEYS[4] begins the keys of marks.
for a = 3, #ARGV, 2 do
	local mark, line = ARGV[a], ARGV[a + 1]
	if mark == '' or redis.call('SET', KEYS[4] .. mark, '1', 'NX', 'EX', '86400') then
		local seq = redis.call('INCR', KEYS[3])
		redis.call('RPUSH', KEYS[2], string.format('%.0f ', seq) .. line)
		redis.call('LTRIM', KEYS[2], -10000, -1)
	end
end
return finish{'ok'}
