-- A new thread. From ARGV[10]: id, mode, uid, gid, created, mtime, ctime, ttl, the document's inode
-- number, flags, mode, uid, gid, mtime, ctime.
--@ write
local id = ARGV[10]
if live_other(prefix, id, gen, now) or redis.call('HEXISTS', prefix .. 'threads', gen) == 1 then
	return refuse('EEXIST')
end
local row = {redis.call('INCR', prefix .. 'revision'), 0, 0, 0, 0, 0, ARGV[11], ARGV[12], ARGV[13], ARGV[14], ARGV[15],
	ARGV[16], ARGV[17], '-1', '-1', '-1', ARGV[18], 0, ARGV[19], ARGV[20], ARGV[21], ARGV[22], ARGV[23], ARGV[24], -1, id}
renew(prefix, gen, row, now, grace)
redis.call('ZADD', prefix .. 'gens', gen, gen)
redis.call('HSET', prefix .. 'live', id, gen)
row_put(prefix, gen, row)
tell(prefix, writer, 'T', gen, row)
return finish{row_format(row)}
