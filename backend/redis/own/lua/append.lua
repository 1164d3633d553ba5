-- Turns behind the last one. From ARGV[10]: step_begin's; then 8 of each turn: role, inode number,
-- mode, uid, gid, mtime, metadata, content.
--@ step
local step, at = step_begin(gen, 10)
if not step then return refuse(at) end
local row, base = step.row, step.base
local count = (#ARGV - at + 1) / 8
local last = tonumber(row[LAST_TURN])

-- Numbers that other mounts have claimed and not yet used are passed over.
local claims = redis.call('HGETALL', base .. 'claims')
for i = 1, #claims, 2 do
	local number = turn_number(claims[i])
	local lease = tonumber(string.match(claims[i + 1], '%d+$'))
	if number and number > last and lease > now then last = number end
end
if count > 999999 - last then return refuse('EDQUOT') end

step_revisions(step, count)
local bytes = tonumber(row[BYTES])
local reply = {'', text(last + 1)}
for i = 1, count do
	local a = at + (i - 1) * 8
	local name = string.format('%06d-%s.md', last + i, ARGV[a])
	local revision = step.revision + i
	redis.call('HSET', base .. 'files', '/' .. name, ARGV[a + 7], name, table.concat({text(revision),
		#ARGV[a + 7], ARGV[a + 5], time_ns, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 1],
		ARGV[a + 6]}, ' '))
	redis.call('ZADD', base .. 'names', 0, name)
	step.names[i] = name
	reply[2 + i] = text(revision)
	bytes = bytes + #ARGV[a + 7]
end
row[LAST_TURN], row[BYTES] = last + count, bytes
row[TURNS], row[FILES] = row[TURNS] + count, row[FILES] + count
step_end(step)
reply[1] = row_format(row)
return finish(reply)
