-- Threads in order of generation behind ARGV[2], ARGV[3] at the most: generation and row of each.
local gens = redis.call('ZRANGEBYSCORE', ARGV[1] .. 'gens', '(' .. ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])
if #gens == 0 then return {} end
local rows = redis.call('HMGET', ARGV[1] .. 'threads', unpack(gens))
local reply = {}
for i, gen in ipairs(gens) do
	reply[#reply + 1] = gen
	reply[#reply + 1] = rows[i] or ''
end
return reply
