-- A thread: KEYS are its key, its side key and perhaps a hash that tells its times; ARGV[1] is the key's
-- type. {type, deadline, elements, side fields, times}; of a STRING, which is fetched by a GET of its own
-- (a large one costs much in here), instead of the elements {size, first bytes, last bytes}, as many as
-- ARGV[2] and ARGV[3] say. Nothing of a key of another type.
--@ layout_deadline
local kind = redis.call('TYPE', KEYS[1]).ok
local value = {}
if kind == ARGV[1] and kind == 'string' then
	value = {redis.call('STRLEN', KEYS[1]), redis.call('GETRANGE', KEYS[1], 0, ARGV[2] - 1),
		redis.call('GETRANGE', KEYS[1], -ARGV[3], -1)}
elseif kind == ARGV[1] then
	value = redis.call('LRANGE', KEYS[1], 0, -1)
end
local lives = kind == 'none' and KEYS[2] or KEYS[1]
local times = {}
if KEYS[3] and redis.call('TYPE', KEYS[3]).ok == 'hash' then
	times = redis.call('HGETALL', KEYS[3])
end
return {kind, deadline(lives), value, redis.call('HGETALL', KEYS[2]), times}
