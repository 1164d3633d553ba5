-- When a key goes, in ms of Unix time: -1 never, -2 there is none. Not ms left: those are stale on arrival.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function deadline(key)
	local left = redis.call('PTTL', key)
	return left < 0 and left or now + left
end
