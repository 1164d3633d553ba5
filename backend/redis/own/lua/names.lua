-- Files in order of name: ARGV: prefix, generation, after, limit, '1' with contents. Three of each:
-- name, row, content; the row and the content are '' where they are lost. As file.lua otherwise.
--@ thread
local prefix, gen = ARGV[1], ARGV[2]
local row = thread_get(prefix, gen)
if not row then return {'gone'} end
local base = base_of(prefix, row, gen)
if is_lost(base, row) then
	local erase = tonumber(row[ERASE])
	return {erase >= 0 and erase <= server_ms() and 'gone' or 'lost'}
end
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local names = redis.call('ZRANGEBYLEX', base .. 'names', from, '+', 'LIMIT', 0, ARGV[4])
if #names == 0 then return {} end
local rows = redis.call('HMGET', base .. 'files', unpack(names))
local contents = {}
if ARGV[5] == '1' then
	local fields = {}
	for i, name in ipairs(names) do fields[i] = '/' .. name end
	contents = redis.call('HMGET', base .. 'files', unpack(fields))
end
local reply = {}
for i, name in ipairs(names) do
	reply[#reply + 1] = name
	reply[#reply + 1] = rows[i] or ''
	reply[#reply + 1] = contents[i] or ''
end
return reply
