-- The thread that has the name ARGV[2] now: {generation, row}, or nothing; without the row if that is
-- not there though it should.
local gen = redis.call('HGET', ARGV[1] .. 'live', ARGV[2])
local row = gen and redis.call('HGET', ARGV[1] .. 'threads', gen)
if not gen then return {} end
return {gen, row or nil}
