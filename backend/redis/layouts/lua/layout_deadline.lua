-- When a key goes, in ms of Unix time: -1 never, -2 there is none. Not ms left: those are stale on arrival.
-- Before Redis 7, without PEXPIRETIME, it is some ms off at times, for the two clocks are not read at once.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local exact = type(redis.pcall('PEXPIRETIME', KEYS[1] or '')) == 'number'
local function deadline(key)
	if exact then
		return redis.call('PEXPIRETIME', key)
	end
	local left = redis.call('PTTL', key)
	return left < 0 and left or now + left
end
