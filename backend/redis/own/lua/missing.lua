-- Of the generations from ARGV[3] on those that have no row and should. In a store that was flushed all
-- should: ARGV[2] is the epoch of the one they were in, '1' if it is known to be another one, '' if none is
-- known. Else those that are in the index still, which a thread that was removed is not.
local rows = redis.call('HMGET', ARGV[1] .. 'threads', unpack(ARGV, 3))
local flushed = ARGV[2] ~= '' and redis.call('GET', ARGV[1] .. 'epoch') ~= ARGV[2]
local reply = {}
for i, row in ipairs(rows) do
	local gen = ARGV[2 + i]
	if not row and (flushed or redis.call('ZSCORE', ARGV[1] .. 'gens', gen)) then reply[#reply + 1] = gen end
end
return reply
