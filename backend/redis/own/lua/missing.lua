-- Of the generations from ARGV[3] on those that have no row and should: that are in the index still, which
-- a thread that was removed is not; with ARGV[2] '1', of a store that was flushed, all without one.
local rows = redis.call('HMGET', ARGV[1] .. 'threads', unpack(ARGV, 3))
local reply = {}
for i, row in ipairs(rows) do
	local gen = ARGV[2 + i]
	if not row and (ARGV[2] == '1' or redis.call('ZSCORE', ARGV[1] .. 'gens', gen)) then reply[#reply + 1] = gen end
end
return reply
