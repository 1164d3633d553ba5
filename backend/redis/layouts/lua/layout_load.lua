-- A thread whole: KEYS are its key, its side key and perhaps a hash that tells its times; ARGV[1] is the
-- key's type. {type, deadline, value or elements, side fields, times}; nothing of a key of another type.
--@ layout_deadline
local kind = redis.call('TYPE', KEYS[1]).ok
local value = ''
if kind == ARGV[1] then
	value = kind == 'string' and redis.call('GET', KEYS[1]) or redis.call('LRANGE', KEYS[1], 0, -1)
end
local lives = kind == 'none' and KEYS[2] or KEYS[1]
local times = {}
if KEYS[3] and redis.call('TYPE', KEYS[3]).ok == 'hash' then
	times = redis.call('HGETALL', KEYS[3])
end
return {kind, deadline(lives), value, redis.call('HGETALL', KEYS[2]), times}
