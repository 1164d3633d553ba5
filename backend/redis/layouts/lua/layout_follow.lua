-- The side keys KEYS[3] and KEYS[4] live as long as the thread KEYS[2], and go with it.
local left = redis.call('PTTL', KEYS[2])
if left == -2 then
	if redis.call('HEXISTS', KEYS[3], 'made') == 0 then
		redis.call('UNLINK', KEYS[3], KEYS[4])
	end
elseif left == -1 then
	redis.call('PERSIST', KEYS[3])
	redis.call('PERSIST', KEYS[4])
else
	redis.call('PEXPIRE', KEYS[3], left)
	redis.call('PEXPIRE', KEYS[4], left)
end
return finish{'ok'}
