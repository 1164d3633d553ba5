-- Another name for a thread; an expired one is restored by it. ARGV[10]: the name, ARGV[11]: '1' to
-- replace an empty live one, whose line in the ledger has the detail ARGV[12].
--@ write
--@ ledger
local id = ARGV[10]
local row = thread_get(prefix, gen)
if not row then return refuse('ENOENT') end
local live, erase = is_live(row, now), tonumber(row[ERASE])
if not live and erase >= 0 and erase <= now then return refuse('ENOENT') end
local was = {unpack(row)}
local from = base_of(prefix, row, gen)
if is_lost(from, row) then return refuse('EIO') end
local other, other_row = live_other(prefix, id, gen, now)
if other and ARGV[11] ~= '1' then return refuse('EEXIST') end
if other and tonumber(other_row[FILES]) > 0 then return refuse('ENOTEMPTY') end

if other then
	thread_erase(prefix, other, other_row)
	tell(prefix, writer, 'G', other, other_row)
end
if redis.call('HGET', prefix .. 'live', row[ID]) == gen then redis.call('HDEL', prefix .. 'live', row[ID]) end
row[ID] = id
local to = base_of(prefix, row, gen)
for _, key in ipairs{'names', 'files', 'claims'} do
	if from ~= to and redis.call('EXISTS', from .. key) == 1 then redis.call('RENAME', from .. key, to .. key) end
end
redis.call('HSET', prefix .. 'live', id, gen)
if not live then
	row[LIFE] = row[LIFE] + 1
	renew(prefix, gen, row, now, grace)
	keys_expire(to, row, now, skew)
end
row[CTIME] = time_ns
row[REVISION] = redis.call('INCR', prefix .. 'revision')
row_put(prefix, gen, row)
tell(prefix, writer, 'T', gen, row)
if other then ledger_say(prefix, now, DELETED, other, other_row, id, ARGV[12]) end
if not live then
	ledger_back(prefix, now, gen, was, row)
elseif was[ID] ~= id then
	ledger_say(prefix, now, RENAMED, gen, row, was[ID], id)
end
return finish{row_format(row)}
