-- Whether write number ARGV[2] of slot ARGV[1] was done: {1, its answer…}; {0}: it was not, and now
-- never will be, should it still be on its way (the prelude sees the number and refuses).
local token = redis.call('HGET', KEYS[1], ARGV[1])
if token then
	local number, reply = string.match(token, '^(%d+) (.*)$')
	if tonumber(number) == tonumber(ARGV[2]) and reply ~= '' then
		local answer = cmsgpack.unpack(reply)
		table.insert(answer, 1, 1)
		return answer
	end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ')
return {0}
