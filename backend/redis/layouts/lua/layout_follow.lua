-- The side keys KEYS[3] and KEYS[4] live as long as the thread KEYS[2], and go a second after it, for a tool
-- may delete it to write it anew. Once it has turns they do not say any more that it is there without.
--@ layout_live
local left = redis.call('PTTL', KEYS[2])
if left == -2 then
	for k = 3, redis.call('HEXISTS', KEYS[3], 'made') == 0 and 4 or 0 do
		local ends = redis.call('PTTL', KEYS[k])
		live(KEYS[k], ends >= 0 and ends < 1000 and ends or 1000)
	end
else
	live(KEYS[3], left)
	live(KEYS[4], left)
	redis.call('HDEL', KEYS[3], 'made')
end
return finish{'ok'}
