-- Claims a name for a file about to be made, or renews or (until '0') drops the claim: KEYS[2] is the side
-- key; ARGV from 3 on: field, token, now, until, and the field of a file that must not be there.
--@ layout_live
local field, token, now, till = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local there = redis.call('HGET', KEYS[2], field)
local owner, held = string.match(there or '', '^(%d+) (%d+)$')
if owner and owner ~= token and tonumber(held) > now then
	return refuse('EEXIST')
end
if till == 0 then
	redis.call('HDEL', KEYS[2], field)
	return finish{'ok'}
end
if redis.call('HEXISTS', KEYS[2], ARGV[7]) == 1 then
	return refuse('EEXIST')
end
local left = redis.call('PTTL', KEYS[3])
if left == -2 and redis.call('HEXISTS', KEYS[2], 'made') == 0 then
	return refuse('ENOENT')
end
redis.call('HSET', KEYS[2], field, token .. ' ' .. ARGV[6])
if left ~= -2 then
	live(KEYS[2], left)
end
return finish{'ok'}
