-- The thread that has the name ARGV[2] now: {generation, row}, or nothing.
local gen = redis.call('HGET', ARGV[1] .. 'live', ARGV[2])
local row = gen and redis.call('HGET', ARGV[1] .. 'threads', gen)
return row and {gen, row} or {}
