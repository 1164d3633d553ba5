-- One file: ARGV: prefix, generation, name (or a turn's six digits and '-'), '1' for its content.
-- {name, row, content}; {}: it is not there; {'lost'}: the thread's keys are not there though they
-- should; {'gone'}: the thread is not there.
--@ thread
local prefix, gen, name = ARGV[1], ARGV[2], ARGV[3]
local row = thread_get(prefix, gen)
if not row then return {'gone'} end
local base = base_of(prefix, row, gen)
if #name == 7 and string.match(name, '^%d%d%d%d%d%d%-$') and ARGV[4] == 'number' then
	local found
	for _, other in ipairs(redis.call('ZRANGEBYLEX', base .. 'names', '[' .. name, '(' .. string.sub(name, 1, 6) .. '.')) do
		local role = string.match(other, '^%d+%-([a-z][a-z0-9_%-]*)%.md$')
		if role and #role <= 32 then found = other end
	end
	name = found
end
local found = name and redis.call('HMGET', base .. 'files', name, ARGV[4] == '1' and '/' .. name or name)
local file = found and found[1]
if not file then
	local erase = tonumber(row[ERASE])
	if tonumber(row[FILES]) == 0 or redis.call('EXISTS', base .. 'files') == 1 then return {} end
	return {erase >= 0 and erase <= server_ms() and 'gone' or 'lost'}
end
if ARGV[4] ~= '1' then return {name, file} end
return found[2] and {name, file, found[2]} or {'lost'}
