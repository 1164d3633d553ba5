-- Before every script that writes: a write is done once (F1). The hash KEYS[1] keeps, for each
-- connection of a mount (ARGV[1], its slot), the number of its last write (ARGV[2]) and what that
-- answered. A write whose number is not higher was done, or fenced off by lookup.lua: it does nothing.
local token = redis.call('HGET', KEYS[1], ARGV[1])
if token and tonumber(string.match(token, '^%d+')) >= tonumber(ARGV[2]) then
	return redis.error_reply('TURNFS TOKEN')
end

-- The last thing a script does: `return finish{…}`, a flat table of strings and integers.
local function finish(reply)
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. cmsgpack.pack(reply))
	return reply
end

-- `return refuse('EEXIST')`, before anything was changed: asked again it refuses again.
local function refuse(name)
	return redis.error_reply('TURNFS ' .. name)
end
