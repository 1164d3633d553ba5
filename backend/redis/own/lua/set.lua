-- What is of no thread. ARGV[3]: the prefix, ARGV[4]: what, ARGV[5]: its value. 'numbers': so many are
-- reserved, up to the one answered; 'root': its row; 'forward': revisions and numbers go on behind
-- these two (ARGV[5], ARGV[6]), for a store that went back in time must not give one out again.
if redis.replicate_commands then redis.replicate_commands() end
local prefix, what = ARGV[3], ARGV[4]
if what == 'numbers' then
	return finish{string.format('%.0f', redis.call('INCRBY', prefix .. 'numbers', ARGV[5]))}
elseif what == 'root' then
	redis.call('SET', prefix .. 'root', ARGV[5])
	redis.call('PUBLISH', prefix .. 'changes', ARGV[6] .. ' T 0\n')
elseif what == 'forward' then
	for i, key in ipairs{'revision', 'numbers'} do
		local least = tonumber(ARGV[4 + i])
		if tonumber(redis.call('GET', prefix .. key) or '0') < least then
			redis.call('SET', prefix .. key, string.format('%.0f', least))
		end
	end
end
return finish{'ok'}
