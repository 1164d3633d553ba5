-- Claims a name for a file about to be made (W5), until `now` + ARGV[11] ms. ARGV[10]: the name.
--@ write
local name = ARGV[10]
local row = thread_get(prefix, gen)
if not row or not is_live(row, now) then return refuse('ENOENT') end
local base = base_of(prefix, row, gen)
if is_lost(base, row) then return refuse('EIO') end
local number = turn_number(name)
if number then
	local digits = string.sub(name, 1, 6)
	for _, other in ipairs(redis.call('ZRANGEBYLEX', base .. 'names', '[' .. digits .. '-', '(' .. digits .. '.')) do
		if turn_number(other) then return refuse('EEXIST') end
	end
end
if redis.call('HEXISTS', base .. 'files', name) == 1 then return refuse('EEXIST') end
local claims = redis.call('HGETALL', base .. 'claims')
for i = 1, #claims, 2 do
	local owner, lease = string.match(claims[i + 1], '^(%S+) (%d+)$')
	if tonumber(lease) <= now then
		redis.call('HDEL', base .. 'claims', claims[i])
	elseif owner ~= writer and (claims[i] == name or (number and turn_number(claims[i]) == number)) then
		return refuse('EEXIST')
	end
end
redis.call('HSET', base .. 'claims', name, writer .. ' ' .. text(now + tonumber(ARGV[11])))
if tonumber(row[ERASE]) >= 0 then
	redis.call('PEXPIREAT', base .. 'claims', text(tonumber(row[ERASE]) + skew))
end
return finish{'ok'}
